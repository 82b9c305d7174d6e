"""Turns in a flow: interruptions, reminders, failures of the model, and each node's own settings."""

import pytest

from retold.domain.reasons import DisconnectionReason
from retold.engine import timeline as t
from retold.ports import ChangeRules
from retold.responders.conversation_flow.rules import rules_at
from support.flow_calls import STAY, at, choose, flow_call, held, says
from support.flow_walks import function, map_of
from support.flows import TOOL, edge, flow, talk
from support.stored import make_agent

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LONG = "This is a very long sentence that nobody wants to hear to its end at all."


async def test_a_transition_that_nobody_heard_is_taken_back_when_the_caller_goes_on() -> None:
    sent = flow(talk("a", "b", "c", instruction=says("Tea or coffee?")), talk("b"), talk("c"))
    slow = {"when": {"system": "Talk about b"}, "steps": [{"wait_ms": 3000}, {"say": "Tea it is."}]}
    rules = (choose("2", last="no coffee"), choose("1", last="tea"), slow, at("c", "Coffee it is."))
    one = flow_call(sent, *rules)
    story = await held(one, (3, "tea please."), (5, "no coffee instead."))
    assert story == [
        "begin > a",
        "agent: Tea or coffee?",
        "user: tea please.",
        "a > b",
        "user: no coffee instead.",
        "b > a (interrupt_go_back)",
        "a > c",
        "agent: Coffee it is.",
    ]


async def test_an_interrupted_node_is_left_from_where_it_is() -> None:
    sent = flow(talk("a", "b", instruction=says(LONG)), talk("b", instruction=says("As you like.")))
    one = flow_call(sent, choose("1", last="stop"), STAY)
    story = await held(one, (1.5, "stop it now."))
    assert story[1] != f"agent: {LONG}"
    assert story[-2:] == ["a > b", "agent: As you like."]


async def test_nothing_is_done_after_words_that_were_cut_off() -> None:
    sent = flow(
        talk("a", instruction=says(LONG), edges=[edge("s", "done", "the caller says stop")])
        | {"skip_response_edge": edge("k", "call", "Skip response")},
        function("call", else_edge=edge("x", "done", "Else")),
        talk("done", instruction=says("Nothing was done.")),
        tools=[TOOL],
    )
    one = flow_call(sent, choose("1", last="stop"))
    story = await held(one, (1.5, "stop it now."))
    assert one.http.asked == 0
    assert story[-2:] == ["a > done", "agent: Nothing was done."]


async def test_a_silent_caller_is_reminded_as_often_as_the_node_says() -> None:
    node = talk("a", instruction=says("Hello."), reminder_trigger_ms=3000, reminder_max_count=2)
    one = flow_call(flow(node), {"when": {"system": "silent for a while"}, "steps": [{"say": "Still there?"}]})
    story = await held(one, until_s=30)
    assert " ".join(story).count("Still there?") == 2


async def test_a_model_that_fails_on_the_way_is_asked_the_way_again() -> None:
    sent = flow(talk("a", "b", instruction=says("Hello.")), talk("b"))
    fail = {"when": {"offered": "choose_transition"}, "times": 1, "steps": [{"fail": 500}]}
    one = flow_call(sent, fail, choose("1"), at("b", "Here we are."))
    story = await held(one, (3, "go on."), (11, "go on please."))
    assert story[-2:] == ["a > b", "agent: Here we are."]


async def test_a_model_that_never_answers_ends_the_call() -> None:
    one = flow_call(flow(talk("a")), {"steps": [{"fail": 500}]})
    for number in range(4):
        one.call.user_says("hello there.", at_s=8 + 10 * number)
    report = await one.call.run()
    assert report.reason is DisconnectionReason.ERROR_RETELL


async def test_a_node_may_have_a_model_of_its_own() -> None:
    own = {"primary": {"model": "small", "tier": "fast"}}
    sent = flow(talk("a", "b"), talk("b", model_config=own), model_config={"primary": {"model": "large"}})
    one = flow_call(sent, choose("1"), at("b", "Small talk."), {"steps": [{"say": "Hi."}]})
    await held(one, (3, "go on."))
    asked = [(request.model, request.tier) for request in one.model.requests]
    assert asked == [("large", None), ("large", None), ("small", "fast")]


def test_a_nodes_settings_stand_for_the_agents_while_it_lasts() -> None:
    agent = make_agent(responsiveness=0.75, interruption_sensitivity=0.5)
    own = {"responsiveness": 0.25, "reminder_max_count": 0, "reminder_trigger_ms": 5000, "voice_speed": 1.5}
    one = map_of(flow(talk("a", **own), talk("b")))
    inside, outside = rules_at(one.node(("a",)), agent), rules_at(one.node(("b",)), agent)
    assert (inside.responsiveness, inside.interruption_sensitivity, inside.voice_speed) == (0.25, 0.5, 1.5)
    assert (inside.reminder_trigger_ms, inside.reminder_max_count) == (5000, 0)
    assert outside == rules_at(None, agent)
    assert isinstance(outside, ChangeRules)
    assert (outside.responsiveness, outside.voice_speed) == (0.75, agent.voice_speed)


async def test_tokens_are_counted_for_choices_too() -> None:
    one = flow_call(flow(talk("a", "b", instruction=says("Hello.")), talk("b")), STAY, {"steps": [{"say": "Pardon?"}]})
    await held(one, (3, "go on."))
    used = [event for event in one.call.timeline if isinstance(event, t.ModelUsed)]
    assert len(used) == len(one.model.requests) == 2
