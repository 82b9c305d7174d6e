"""A Retell LLM uses its tools: what is said meanwhile and afterwards, and what an interruption does and does not."""

from typing import Any

import pytest

from retold.domain.dialogue import AgentText, SystemText, ToolOutcome, UserText
from retold.domain.llm import Llm
from retold.engine import timeline as t
from retold.responders.mind.messages import STILL_RUNNING
from support.minds import SlowHttp, Thinking, llm_of, thinking

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

WHEN_FREE: dict[str, Any] = {"when": {"last": "are you free"}, "steps": [{"say": "Let me see. "}, {"use": "look"}]}
FREE: dict[str, Any] = {"when": {"after_tool": "look"}, "steps": [{"say": "Half past twelve is free."}]}


def looking(**fields: Any) -> Llm:
    """An agent with one tool."""
    tool = {"type": "custom", "name": "look", "url": "https://tools.example.com", "description": "Look.", **fields}
    return llm_of(begin_message="Hi.", general_tools=[tool])


def asking(one: Thinking, *, until_s: float) -> Thinking:
    one.call.user_says("When are you free?", at_s=2)
    one.call.user_hangs_up(at_s=until_s)
    return one


async def test_a_tool_runs_and_the_model_goes_on_with_its_result() -> None:
    one = asking(thinking(looking(), WHEN_FREE, FREE), until_s=8)
    await one.call.run()
    assert one.call.lines()[1:] == ["user: When are you free?", "agent: Let me see. Half past twelve is free."]
    assert one.roles()[2:] == [
        "tool_call_invocation: look",
        "agent: Let",
        'tool_call_result: {"free": "12:30"}',
        "agent: me see. Half past twelve is free.",
    ]
    said, used, outcome = one.model.requests[-1].messages[-3:]
    assert said == UserText("When are you free?")
    assert isinstance(used, AgentText)
    assert (used.text, used.tool_uses[0].name) == ("Let me see.", "look")
    assert outcome == ToolOutcome(used.tool_uses[0].id, '{"free": "12:30"}')


async def test_what_a_tool_found_becomes_variables() -> None:
    llm = looking(response_variables={"slot": "free"}).model_copy(update={"general_prompt": "Free: {{slot}}."})
    one = asking(thinking(llm, WHEN_FREE, FREE), until_s=8)
    report = await one.call.run()
    assert [request.messages[0] for request in one.model.requests] == [
        SystemText("Free: {{slot}}."),
        SystemText("Free: 12:30."),
    ]
    assert report.variables == {"slot": "12:30"}


@pytest.mark.parametrize(
    ("fields", "steps", "heard"),
    [
        pytest.param({}, [{"use": "look"}], "", id="nothing"),
        pytest.param(
            {"execution_message_type": "static_text", "execution_message_description": "A moment, {{name}}"},
            [{"use": "look"}],
            "A moment, Ann ",
            id="a fixed text",
        ),
        pytest.param(
            {"execution_message_type": "static_text", "execution_message_description": "A moment."},
            [{"say": "Well, well"}, {"use": "look"}],
            "Well, well A moment. ",
            id="a fixed text after the model's own",
        ),
        pytest.param({"execution_message_type": "prompt"}, [{"say": "Well. "}, {"use": "look"}], "Well. ", id="own"),
        pytest.param({"execution_message_description": "say hm"}, [{"use": "look"}], "Hm, hm. ", id="made for it"),
    ],
)
async def test_what_is_said_while_a_tool_runs(fields: dict[str, Any], steps: list[Any], heard: str) -> None:
    speaks = bool(heard)
    hm = {"when": {"role": "system", "last": "say hm"}, "steps": [{"say": "Hm, hm."}]}
    llm = looking(speak_during_execution=speaks, **fields)
    slow = SlowHttp(takes_ms=3_000)
    one = asking(thinking(llm, {"when": {"last": "are you free"}, "steps": steps}, hm, FREE, http=slow), until_s=14)
    await one.call.run()
    assert one.call.lines()[-1] == f"agent: {heard}Half past twelve is free."
    if heard:
        first = next(event for event in one.call.timeline if isinstance(event, t.WordsPlayed) and event.response_id)
        returned = next(event for event in one.call.timeline if isinstance(event, t.ToolCallEnded))
        assert first.at_ms < returned.at_ms


async def test_a_tool_may_have_nothing_said_about_its_result() -> None:
    one = asking(thinking(looking(speak_after_execution=False), WHEN_FREE, FREE), until_s=8)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: Let me see."
    assert len(one.model.requests) == 1


async def test_the_agent_can_end_the_call() -> None:
    hang_up = {"type": "end_call", "name": "hang_up"}
    bye = {"steps": [{"say": "Goodbye then. "}, {"use": "hang_up"}]}
    one = thinking(llm_of(begin_message="Hi.", general_tools=[hang_up]), bye)
    one.call.user_says("That was all.", at_s=2)
    report = await one.call.run()
    assert report.reason == "agent_hangup"
    assert one.call.lines()[-1] == "agent: Goodbye then."


async def test_an_interruption_does_not_end_a_tool_and_its_result_is_shown_later() -> None:
    slow = SlowHttp(takes_ms=6_000)
    patience = {"when": {"last": "hurry"}, "steps": [{"say": "I am still looking."}]}
    news = {"when": {"role": "system", "last": "tool"}, "steps": [{"say": "Half past twelve is free."}]}
    one = asking(thinking(looking(), WHEN_FREE, patience, news, http=slow), until_s=20)
    one.call.user_says("Please hurry up.", at_s=5)
    await one.call.run()
    assert one.call.lines()[1:] == [
        "user: When are you free?",
        "agent: Let me see.",
        "user: Please hurry up.",
        "agent: I am still looking.",
        "agent: Half past twelve is free.",
    ]
    assert (slow.asked, slow.cut_off) == (1, 0)
    meanwhile, afterwards = list(one.model.requests)[-2:]
    assert STILL_RUNNING in [part.content for part in meanwhile.messages if isinstance(part, ToolOutcome)]
    assert '{"free": "12:30"}' in [part.content for part in afterwards.messages if isinstance(part, ToolOutcome)]
    assert one.call.report().utterances[-1].interrupt_id == 1


async def test_a_result_that_comes_while_the_caller_speaks_waits_for_the_answer() -> None:
    slow = SlowHttp(takes_ms=3_000)
    shown = {"when": {"last": "you know"}, "steps": [{"say": "Half past twelve is free."}]}
    one = asking(thinking(looking(), WHEN_FREE, shown, http=slow), until_s=16)
    one.call.user_says("Wait I want to say something that takes quite some time you know.", at_s=4.5)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: Half past twelve is free."
    assert len(one.model.requests) == 2
    assert '{"free": "12:30"}' in [
        part.content for part in one.model.requests[-1].messages if isinstance(part, ToolOutcome)
    ]


async def test_a_tool_that_is_not_there_and_arguments_that_are_none_are_told_to_the_model() -> None:
    wrong = [{"use": "luck"}, {"use": "look", "arguments": "not JSON"}]
    one = asking(thinking(looking(), {"when": {"last": "are you free"}, "steps": wrong}, FREE), until_s=8)
    await one.call.run()
    results = [event for event in one.call.timeline if isinstance(event, t.ToolCallEnded)]
    assert [event.successful for event in results] == [False, False]
    assert "There is no tool luck here. The tools are: look." in [event.content for event in results]
    assert one.http.asked == 0
    assert one.call.lines()[-1] == "agent: Half past twelve is free."


async def test_a_model_that_only_uses_tools_has_to_speak_in_the_end() -> None:
    again = {"when": {"offered": "look"}, "steps": [{"use": "look"}]}
    one = asking(thinking(looking(), again, {"steps": [{"say": "Enough."}]}), until_s=14)
    await one.call.run()
    assert one.call.lines()[-1] == "agent: Enough."
    assert one.http.asked == 8


async def test_a_call_that_ends_ends_its_tools() -> None:
    slow = SlowHttp(takes_ms=60_000)
    one = asking(thinking(looking(), WHEN_FREE, FREE, http=slow), until_s=6)
    report = await one.call.run()
    assert (report.reason, slow.cut_off) == ("user_hangup", 1)


async def test_variables_are_read_out_of_the_conversation() -> None:
    variables = [{"type": "number", "name": "guests", "description": "How many come."}]
    tool = {"type": "extract_dynamic_variable", "name": "note", "description": "Note it.", "variables": variables}
    noting = {"when": {"last": "of us"}, "steps": [{"use": "note", "arguments": {"guests": 4}}]}
    noted = {"when": {"after_tool": "note"}, "steps": [{"say": "Four, then."}]}
    one = thinking(llm_of(begin_message="Hi.", general_tools=[tool]), noting, noted)
    one.call.user_says("There are four of us.", at_s=2)
    one.call.user_hangs_up(at_s=8)
    report = await one.call.run()
    assert report.variables == {"guests": "4"}
    assert one.call.lines()[-1] == "agent: Four, then."


async def test_what_a_tool_costs_of_the_model_is_counted_too() -> None:
    to = {"type": "phone_number", "phone_number": "+14157774444"}
    content = {"type": "inferred", "prompt": "Confirm the table."}
    tool = {"type": "send_sms", "name": "text", "sms_content": content, "sms_destination": to}
    writing = {
        "when": {"system": "Confirm the table"},
        "steps": [{"say": "Your table."}, {"input_tokens": 40, "output_tokens": 2}],
    }
    sending = {
        "when": {"last": "Please text me"},
        "steps": [{"use": "text"}, {"input_tokens": 100, "output_tokens": 1}],
    }
    sent = {"when": {"after_tool": "text"}, "steps": [{"say": "Done."}, {"input_tokens": 110, "output_tokens": 1}]}
    one = thinking(llm_of(begin_message="Hi.", general_tools=[tool]), writing, sending, sent)
    one.call.user_says("Please text me.", at_s=2)
    one.call.user_hangs_up(at_s=8)
    report = await one.call.run()
    assert list(report.request_tokens) == [101, 42, 111]
    assert one.call.lines()[-1] == "agent: Done."
