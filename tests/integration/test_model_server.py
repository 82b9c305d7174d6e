"""Language models against the stand-in server: the quirks of other servers, keys, cancelling, and the program alone."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx2
import pytest

from retold.app.models import LanguageModels
from retold.demo.model_answers import Quirk
from retold.demo.model_server import Habits, ModelServer
from retold.domain.dialogue import ModelRequest, StopPart, StopReason, TextPart
from retold.domain.model_script import ECHO
from retold.errors import ModelFailed
from retold.ports import LanguageModel
from retold.settings import LanguageModelSettings
from support.model_server import (
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
from support.patience import PATIENCE_S, undisturbed

pytestmark = pytest.mark.anyio

STRICT = replace(WEATHER, is_strict=True)


@dataclass
class Served:
    server: ModelServer
    url: str
    http: httpx2.AsyncClient


@pytest.fixture(scope="module")
async def served() -> AsyncGenerator[Served]:
    async with stand_in(ECHO) as (server, url), client() as http:
        yield Served(server, url, http)


@pytest.fixture(params=["openai", "anthropic"])
def model(request: pytest.FixtureRequest, served: Served) -> LanguageModel:
    makers: dict[str, Callable[..., LanguageModel]] = {"openai": openai_at, "anthropic": anthropic_at}
    return makers[request.param](served.http, served.url)


async def until(is_reached: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not is_reached():  # noqa: ASYNC110 - the server is another library's
            await anyio.sleep(0.005)


SERVERS = {
    "Ollama": {Quirk.NO_INDEX, Quirk.WHOLE_ARGUMENTS},
    "Gemini": {Quirk.SAME_INDEX, Quirk.WHOLE_ARGUMENTS, Quirk.FINISH_STOP},
    "vLLM": {Quirk.NULL_CHOICES, Quirk.FINISH_STOP},
    "llama.cpp": {Quirk.NO_ID, Quirk.NO_SPACE},
    "Azure": {Quirk.AZURE},
    "OpenRouter": {Quirk.KEEP_ALIVE, Quirk.CRLF},
    "bare": {Quirk.NO_USAGE, Quirk.NO_DONE, Quirk.NO_ID, Quirk.NO_INDEX, Quirk.WHOLE_ARGUMENTS},
}


@pytest.mark.parametrize("name", SERVERS)
async def test_each_servers_way_gives_the_same_answer(served: Served, model: LanguageModel, name: str) -> None:
    told = does(
        {"say": "One moment, "},
        {"use": "get_weather", "arguments": {"city": "Rome", "days": 1}},
        {"use": "get_weather", "arguments": {"city": "Oslo", "days": 2}},
    )
    served.server.follow(told, Habits(frozenset(SERVERS[name])))
    parts = await answer(model, asks("Weather?", tools=[WEATHER]))
    assert text_of(parts) == "One moment, "
    assert [use.parsed() for use in uses_of(parts)] == [{"city": "Rome", "days": 1}, {"city": "Oslo", "days": 2}]
    assert parts[-1] == StopPart(StopReason.TOOL_USE)


@pytest.mark.parametrize("field", ["temperature", "strict"])
async def test_a_field_the_server_refuses_is_left_out(served: Served, model: LanguageModel, field: str) -> None:
    served.server.follow(does({"say": "Yes."}), Habits(refuses=frozenset({field})))
    assert text_of(await answer(model, asks("Yes?", tools=[STRICT], temperature=0.0))) == "Yes."
    (asked,) = served.server.asked
    assert asked.request.temperature == (None if field == "temperature" else 0.0)
    assert [tool.is_strict for tool in asked.request.tools] == [field != "strict"]


async def test_openais_fields_are_left_out_or_renamed(served: Served) -> None:
    served.server.follow(does({"say": "Yes."}), Habits(refuses=frozenset({"stream_options", "max_tokens"})))
    model = openai_at(served.http, served.url)
    assert text_of(await answer(model, asks("Yes?", max_tokens=50))) == "Yes."
    (asked,) = served.server.asked
    assert "stream_options" not in asked.body
    assert asked.body["max_completion_tokens"] == 50


async def test_a_key_is_shown_to_the_server_and_in_no_failure(served: Served) -> None:
    served.server.follow(does({"say": "Yes."}), Habits(api_key="sk-right"))
    for wire in ("openai", "anthropic"):
        for key, is_right in (("sk-right", True), ("sk-wrong", False)):
            settings = LanguageModelSettings.model_validate({"base_url": served.url, "wire": wire, "api_key": key})
            models = LanguageModels(settings, served.http)
            if is_right:
                assert text_of(await answer(models, asks("Yes?"))) == "Yes."
            else:
                with pytest.raises(ModelFailed, match=r"401.*\*\*\*"):
                    await answer(models, asks("Yes?"))


async def test_azures_address_and_header(served: Served) -> None:
    served.server.follow(does({"say": "Yes."}), Habits(api_key="k"))
    place = f"{served.url}/openai/deployments/mine?api-version=2024-10-21"
    settings = LanguageModelSettings.model_validate({"base_url": place, "headers": {"api-key": "k"}})
    assert text_of(await answer(LanguageModels(settings, served.http), asks("Yes?"))) == "Yes."
    assert served.server.asked[0].path == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"


async def test_leaving_tells_the_server_without_waiting_for_it(served: Served, model: LanguageModel) -> None:
    served.server.follow(does({"say": "One two"}, {"hang": True}))
    with anyio.fail_after(PATIENCE_S):
        async with aclosing(model.stream(asks("Hello?"))) as parts:
            assert isinstance(await anext(parts), TextPart)
    await until(lambda: served.server.left >= 1)


async def test_being_cancelled_before_the_first_byte_tells_the_server(served: Served, model: LanguageModel) -> None:
    served.server.follow(does({"hang": True}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer, model, asks("Hello?"))
        await until(lambda: len(served.server.asked) == 1)
        tasks.cancel_scope.cancel()
    await until(lambda: served.server.left >= 1)


async def test_whole_answers_use_one_connection(served: Served, model: LanguageModel) -> None:
    served.server.follow(does({"say": "Yes."}))
    opened: list[str] = []

    async def note(name: str, _: dict[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
            opened.append(name)

    async def trace(request: httpx2.Request) -> None:
        request.extensions["trace"] = note

    async def trial() -> int:
        opened.clear()
        for _ in range(3):
            assert text_of(await answer(model, asks("Yes?"))) == "Yes."
        return len(opened)

    served.http.event_hooks = {"request": [trace]}
    try:
        # The end of an answer is waited for, but not for long.
        assert await undisturbed(trial, lambda count: count <= 1) <= 1
    finally:
        served.http.event_hooks = {}


async def test_what_was_asked_is_understood_alike_on_both_wires(served: Served) -> None:
    seen: list[ModelRequest] = []
    for make in (openai_at, anthropic_at):
        served.server.follow(does({"say": "Yes."}))
        request = asks("Yes?", tools=[STRICT], temperature=0.5, must_use="get_weather", max_tokens=50)
        await answer(make(served.http, served.url), request)
        seen.append(served.server.asked[0].request)
    assert seen[0] == seen[1]
    assert seen[0].messages == list(asks("Yes?").messages)
    assert (seen[0].temperature, seen[0].must_use, seen[0].max_tokens) == (0.5, "get_weather", 50)
    assert [tool.is_strict for tool in seen[0].tools] == [True]


async def test_errors_one_after_the_other(served: Served, model: LanguageModel) -> None:
    told = script(
        {"times": 1, "steps": [{"fail": 529}]}, {"times": 1, "steps": [{"broken": "cut"}]}, otherwise="There."
    )
    served.server.follow(told)
    for shown in ("529", "cut off"):
        with pytest.raises(ModelFailed, match=shown):
            await answer(model, asks("Hello?"))
    assert text_of(await answer(model, asks("Hello?"))) == "There."
