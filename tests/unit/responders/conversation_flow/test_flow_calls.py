"""A conversation flow holds a conversation: whole calls on virtual time, one kind of node after the other."""

import pytest

from retold.domain.reasons import DisconnectionReason
from support.flow_calls import STAY, at, choose, flow_call, held, says
from support.flow_walks import IS_ADULT, branch, function, global_node, when
from support.flows import TEXT, TOOL, edge, end, flow, talk
from support.minds import SlowHttp

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_it_talks_and_goes_where_the_model_chooses() -> None:
    sent = flow(talk("a", "b", instruction=says("Good day, {{name}}."), name="Welcome"), talk("b"))
    one = flow_call(sent, choose("1", last="table"), STAY, at("b", "For how many?"), {"steps": [{"say": "Pardon?"}]})
    assert await held(one, (3, "hello there."), (8, "a table please.")) == [
        "begin > a",
        "agent: Good day, Ann.",
        "user: hello there.",
        "agent: Pardon?",
        "user: a table please.",
        "a > b",
        "agent: For how many?",
    ]
    assert one.transitions() == ["a normal", "b normal"]
    assert one.variables.now().fill("{{previous_node}}, {{current_node}}") == "Welcome, b"


async def test_an_equation_needs_no_model() -> None:
    sent = flow(
        talk("a", instruction=says("Hello."), edges=[when("e", IS_ADULT, "b")]),
        talk("b", instruction=says("You may.")),
        default_dynamic_variables={"age": "20"},
    )
    one = flow_call(sent)
    assert (await held(one, (3, "may I?")))[-1] == "agent: You may."
    assert not one.model.requests


async def test_the_caller_may_be_first_and_may_be_silent() -> None:
    sent = flow(talk("a", instruction=says("Hello.")), start_speaker="user", begin_after_user_silence_ms=4000)
    spoken = flow_call(sent)
    assert await held(spoken, (1, "anybody there?")) == ["begin > a", "user: anybody there?", "agent: Hello."]
    silent = flow_call(sent)
    assert await held(silent, until_s=8) == ["begin > a", "agent: Hello."]
    waiting = flow_call(flow(talk("a", instruction=TEXT), start_speaker="user"))
    assert await held(waiting, until_s=8) == ["begin > a"]


async def test_a_call_may_begin_in_any_node() -> None:
    one = flow_call(flow(talk("a"), talk("b", instruction=says("Middle."))), node_id="b")
    assert await held(one, until_s=4) == ["begin > b", "agent: Middle."]


async def test_an_end_says_goodbye_and_ends_the_call() -> None:
    goodbye = end() | {"instruction": says("Goodbye."), "speak_during_execution": True}
    sent = flow(talk("a", instruction=says("Hello.")) | {"always_edge": edge("w", "end", "Always")}, goodbye)
    one = flow_call(sent)
    one.call.user_says("bye.", at_s=3)
    report = await one.call.run()
    assert one.story()[-2:] == ["a > end", "agent: Goodbye."]
    assert report.reason is DisconnectionReason.AGENT_HANGUP


async def test_a_function_is_called_with_what_the_model_finds_and_its_variables_decide() -> None:
    properties = {"day": {"type": "string"}}
    tool = TOOL | {
        "parameters": {"type": "object", "properties": properties},
        "response_variables": {"free": "$.free"},
    }
    free = {"type": "equation", "equations": [{"left": "{{free}}", "operator": "exists"}], "operator": "&&"}
    call = function("call", when("e", free, "yes"), speak_during_execution=True, instruction=says("One moment."))
    sent = flow(
        talk("a", instruction=says("Which day?")) | {"always_edge": edge("w", "call", "Always")},
        call | {"else_edge": edge("x", "no", "Else")},
        talk("yes", instruction=says("At {{free}}.")),
        talk("no", instruction=says("All full.")),
        tools=[tool],
    )
    find = {"when": {"offered": "look_up"}, "steps": [{"use": "look_up", "arguments": {"day": "Friday"}}]}
    one = flow_call(sent, find, http=SlowHttp(takes_ms=2000))
    story = await held(one, (3, "on Friday."), until_s=9)
    assert story == [
        "begin > a",
        "agent: Which day?",
        "user: on Friday.",
        "a > call",
        'look_up({"day": "Friday"})',
        "agent: One moment.",
        '= {"free": "12:30"}',
        "call > yes",
        "agent: At 12:30.",
    ]


async def test_a_model_that_finds_no_arguments_fails_the_function_only() -> None:
    tool = TOOL | {"parameters": {"type": "object", "properties": {"day": {"type": "string"}}}}
    sent = flow(
        function("call", else_edge=edge("x", "no", "Else")), talk("no", instruction=says("All full.")), tools=[tool]
    )
    one = flow_call(sent, {"steps": [{"say": "I cannot say."}]})
    story = await held(one, until_s=5)
    assert story[-2:] == ["call > no", "agent: All full."]
    assert one.http.asked == 0


async def test_words_are_heard_before_the_next_node_acts() -> None:
    sent = flow(
        talk("a", instruction=says("Now I am going to charge your card for this."), edges=[])
        | {"skip_response_edge": edge("k", "call", "Skip response")},
        function("call", else_edge=edge("x", "done", "Else")),
        talk("done", instruction=says("Charged.")),
        tools=[TOOL],
    )
    calm = flow_call(sent)
    assert (await held(calm, until_s=9))[-1].endswith("Charged.")
    assert calm.http.asked == 1


async def test_a_global_node_is_gone_back_from() -> None:
    helper = talk("help") | global_node("asks for help", go_back_conditions=[edge("back", None, "was helped")])
    sent = flow(talk("a", instruction=says("Your name?")), helper)
    rules = (choose("1", last="help|thanks"), STAY, at("help", "Ask me."), {"steps": [{"say": "So, your name?"}]})
    one = flow_call(sent, *rules)
    story = await held(one, (3, "help me."), (8, "thanks."))
    assert story[3:] == [
        "a > help (global)",
        "agent: Ask me.",
        "user: thanks.",
        "help > a (global_go_back)",
        "agent: So, your name?",
    ]


async def test_a_circle_of_branches_ends_the_call_with_the_nodes_named() -> None:
    one = flow_call(flow(branch("one", otherwise="two"), branch("two", otherwise="one")))
    report = await one.call.run()
    assert report.reason is DisconnectionReason.ERROR_RETELL
    assert "one, two" in one.call.log()
