"""What every ports.LanguageModel must do; on each implementation, against the stand-in server where one is asked."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import httpx2
import pytest

from retold.demo.model_server import ModelServer
from retold.domain.dialogue import (
    AgentText,
    ModelRequest,
    StopPart,
    StopReason,
    SystemText,
    TextPart,
    ToolOutcome,
    ToolUse,
    UsagePart,
    UserText,
)
from retold.domain.llm_models import BackupModel
from retold.domain.model_script import ECHO, Script
from retold.errors import ModelFailed
from retold.ports import LanguageModel
from retold.providers.model_chain import ModelChain
from retold.providers.model_limits import Deadlines
from retold.providers.scripted_model import ScriptedModel
from support.model_server import (
    PATIENT,
    WEATHER,
    answer,
    anthropic_at,
    asks,
    client,
    does,
    openai_at,
    script,
    stand_in,
    text_of,
    uses_of,
)
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

Make = Callable[[Script, Deadlines], LanguageModel]
SHORT = Deadlines(first_byte_s=0.1, between_s=0.1)
BACKUP = BackupModel(model="backup", kick_in_timeout_ms=60_000)


@dataclass
class Served:
    """The stand-in server, and a client of it."""

    server: ModelServer
    url: str
    http: httpx2.AsyncClient

    def openai(self, told: Script, deadlines: Deadlines) -> LanguageModel:
        self.server.follow(told)
        return openai_at(self.http, self.url, deadlines)

    def anthropic(self, told: Script, deadlines: Deadlines) -> LanguageModel:
        self.server.follow(told)
        return anthropic_at(self.http, self.url, deadlines)


MAKERS: dict[str, Callable[[Served], Make]] = {
    "scripted": lambda _: ScriptedModel,
    "openai": lambda served: served.openai,
    "anthropic": lambda served: served.anthropic,
    "chain": lambda _: lambda told, deadlines: ModelChain(ScriptedModel(told, deadlines)),
    "chain with backup": lambda _: lambda told, deadlines: ModelChain(ScriptedModel(told, deadlines), BACKUP),
    "chain over openai": lambda served: lambda told, deadlines: ModelChain(served.openai(told, deadlines), BACKUP),
}


@pytest.fixture(scope="module")
async def served() -> AsyncGenerator[Served]:
    async with stand_in(ECHO) as (server, url), client() as http:
        yield Served(server, url, http)


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest, served: Served) -> Make:
    return MAKERS[request.param](served)


async def test_text_comes_in_pieces_then_the_usage_then_the_stop(make: Make) -> None:
    said = "We are open  until five. Grüße — 😀!"
    model = make(does({"say": said}), PATIENT)
    parts = await answer(model, asks("When are you open?"))
    assert text_of(parts) == said
    *texts, usage, stop = parts
    assert len(texts) > 3
    assert all(isinstance(part, TextPart) and part.text for part in texts)
    assert usage == UsagePart(input_tokens=7, output_tokens=8)
    assert stop == StopPart(StopReason.END)


async def test_a_tool_use_comes_whole_after_what_was_said_before_it(make: Make) -> None:
    told = does({"say": "One moment. "}, {"use": "get_weather", "arguments": {"city": "Zürich", "days": 3}})
    model = make(told, PATIENT)
    parts = await answer(model, asks("How is the weather?", tools=[WEATHER]))
    (use,) = uses_of(parts)
    assert (use.name, use.parsed()) == ("get_weather", {"city": "Zürich", "days": 3})
    assert text_of(parts) == "One moment. "
    assert isinstance(parts[0], TextPart)
    assert parts[-1] == StopPart(StopReason.TOOL_USE)


async def test_several_tools_keep_their_order_and_have_ids_of_their_own(make: Make) -> None:
    told = does(*({"use": "get_weather", "arguments": {"city": city, "days": 1}} for city in ("Rome", "Oslo", "Bonn")))
    model = make(told, PATIENT)
    uses = uses_of(await answer(model, asks("Weather?", tools=[WEATHER])))
    assert [(use.parsed() or {})["city"] for use in uses] == ["Rome", "Oslo", "Bonn"]
    assert len({use.id for use in uses}) == 3


async def test_a_tool_without_arguments_has_an_empty_object(make: Make) -> None:
    model = make(does({"use": "end_call", "arguments": ""}), PATIENT)
    (use,) = uses_of(await answer(model, asks("Bye.")))
    assert use.arguments == "{}"


async def test_arguments_that_are_no_json_are_given_as_they_are(make: Make) -> None:
    model = make(does({"use": "get_weather", "arguments": '{"city": Rome'}), PATIENT)
    (use,) = uses_of(await answer(model, asks("Weather?", tools=[WEATHER])))
    assert use.arguments == '{"city": Rome'
    assert use.parsed() is None


async def test_the_outcome_of_a_tool_is_understood(make: Make) -> None:
    told = script(
        {"when": {"after_tool": "get_weather", "last": "(sunny)"}, "steps": [{"say": r"It is \1."}]},
        {"when": {"role": "user"}, "steps": [{"use": "get_weather", "arguments": {"city": "Rome", "days": 1}}]},
    )
    model = make(told, PATIENT)
    request = asks("Weather?", tools=[WEATHER])
    uses = uses_of(await answer(model, request))
    told_back = (*request.messages, AgentText("", tuple(uses)), ToolOutcome(uses[0].id, "sunny, 25 degrees"))
    parts = await answer(model, ModelRequest("gpt-4.1", told_back, [WEATHER]))
    assert text_of(parts) == "It is sunny."


async def test_a_long_conversation_is_taken_whatever_its_order(make: Make) -> None:
    use = ToolUse("call_abc", "get_weather", '{"city": "Rome", "days": 1}')
    broken = ToolUse("call_def", "get_weather", '{"city":')
    request = ModelRequest(
        "gpt-4.1",
        (
            SystemText("You are Ada."),
            SystemText(""),
            AgentText("Hello, this is Ada. "),
            UserText("Hi."),
            UserText("Weather, please."),
            AgentText("", (use,)),
            ToolOutcome("call_abc", "sunny"),
            AgentText("It is sunny.", (broken,)),
            ToolOutcome("call_def", ""),
            SystemText("The caller is called Bob."),
            AgentText("Anything else?"),
        ),
        [WEATHER],
    )
    model = make(script({"when": {"role": "user"}, "steps": [{"say": "odd"}]}, otherwise="Fine."), PATIENT)
    assert text_of(await answer(model, request)) in {"Fine.", "odd"}


async def test_a_request_without_any_message_but_the_prompt_is_answered(make: Make) -> None:
    model = make(does({"say": "Hello."}), PATIENT)
    assert text_of(await answer(model, ModelRequest("gpt-4.1", (SystemText("Greet the caller."),)))) == "Hello."


@pytest.mark.parametrize("reason", [StopReason.LENGTH, StopReason.REFUSED])
async def test_an_answer_that_was_stopped_says_why(make: Make, reason: StopReason) -> None:
    model = make(does({"say": "And so on and"}, {"stop": reason}), PATIENT)
    assert (await answer(model, asks("Tell me all.")))[-1] == StopPart(reason)


async def test_the_tokens_are_those_the_server_counted(make: Make) -> None:
    model = make(does({"say": "Yes."}, {"input_tokens": 1234, "output_tokens": 56}), PATIENT)
    parts = await answer(model, asks("Hm?"))
    assert [part for part in parts if isinstance(part, UsagePart)] == [UsagePart(1234, 56)]


@pytest.mark.parametrize(
    ("status", "is_retryable"), [(400, False), (401, False), (404, False), (429, True), (500, True), (529, True)]
)
async def test_a_refusal_tells_its_status_and_whether_trying_again_helps(
    make: Make, status: int, is_retryable: bool
) -> None:
    model = make(does({"fail": status, "message": "no such luck"}), PATIENT)
    with pytest.raises(ModelFailed, match="no such luck") as failed:
        await answer(model, asks("Hello?"))
    assert (failed.value.status, failed.value.is_retryable) == (status, is_retryable)


@pytest.mark.parametrize("trouble", [{"fail": 529}, {"fail": 500}, {"broken": "cut"}, {"broken": "bad_json"}], ids=str)
async def test_an_answer_that_breaks_off_fails_after_what_was_said(make: Make, trouble: dict[str, object]) -> None:
    said: list[str] = []

    async def listen() -> None:
        async with aclosing(model.stream(asks("Hello?"))) as parts:
            async for part in parts:
                assert isinstance(part, TextPart)
                said.append(part.text)

    model = make(does({"say": "One moment"}, trouble), PATIENT)
    with pytest.raises(ModelFailed) as failed, anyio.fail_after(PATIENCE_S):
        await listen()
    assert "".join(said) == "One moment"
    assert failed.value.is_retryable


@pytest.mark.parametrize(
    "steps", [[{"hang": True}], [{"say": "One"}, {"hang": True}], [{"wait_ms": 600_000}, {"say": "late"}]], ids=str
)
async def test_silence_beyond_the_deadline_fails(make: Make, steps: list[dict[str, object]]) -> None:
    model = make(does(*steps), SHORT)
    with pytest.raises(ModelFailed, match="said nothing for 100 ms") as failed:
        await answer(model, asks("Hello?"))
    assert failed.value.is_retryable


async def test_leaving_in_mid_answer_leaves_the_model_as_it_was(make: Make) -> None:
    told = script({"times": 1, "steps": [{"say": "One two"}, {"hang": True}]}, otherwise="Here I am.")
    model = make(told, PATIENT)
    with anyio.fail_after(PATIENCE_S):
        async with aclosing(model.stream(asks("Hello?"))) as parts:
            async for part in parts:
                assert isinstance(part, TextPart)
                break
    assert text_of(await answer(model, asks("Hello?"))) == "Here I am."


async def test_being_cancelled_while_waiting_leaves_the_model_as_it_was(make: Make) -> None:
    told = script({"when": {"last": "wait"}, "steps": [{"hang": True}]}, otherwise="Here I am.")
    model = make(told, PATIENT)
    with anyio.move_on_after(0.05) as scope:
        await answer(model, asks("Please wait."))
    assert scope.cancelled_caught
    assert text_of(await answer(model, asks("Hello?"))) == "Here I am."


async def test_many_answers_at_a_time_do_not_mix(make: Make) -> None:
    heard: dict[str, str] = {}

    async def ask(text: str) -> None:
        heard[text] = text_of(await answer(model, asks(text)))

    told = script({"when": {"last": "number (.*)"}, "steps": [{"say": r"You said \1, did you not?", "gap_ms": 1}]})
    model = make(told, PATIENT)
    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(ask, f"number {number}")
    assert heard == {f"number {number}": f"You said {number}, did you not?" for number in range(8)}
