"""One call of forty turns through a flow of forty steps, with branches, tools and a node reached from everywhere."""

from typing import Any

import pytest

from retold.domain.transcript import ToolCallResult
from support.flow_calls import choose, flow_call, says
from support.flow_walks import branch, function, global_node, when
from support.flows import TOOL, edge, flow, talk

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

STEPS = 40
HELPED = range(0, 24, 3)
"""Of the turns that lead on, those before which the caller asks for help."""
IS_ONE = {"type": "equation", "equations": [{"left": "{{x}}", "operator": "==", "right": "1"}], "operator": "&&"}
TURN_S = 6.0


def step(number: int) -> dict[str, Any]:
    """Three of five talk, one branches, one calls a tool; each leads to the next, and the last back to the first."""
    name, to = f"n{number}", f"n{(number + 1) % STEPS}"
    if number % 5 == 3:
        return branch(name, when(f"{name}-e", IS_ONE, to), otherwise="lost")
    if number % 5 == 4:
        return function(name, else_edge=edge(f"{name}-x", to, "Else"))
    return talk(name, to, instruction=says(f"Step {number}."))


async def test_a_long_call_loses_no_turn_no_tool_and_no_transition() -> None:
    helper = talk("help", instruction=says("I help.")) | global_node(
        "help", go_back_conditions=[edge("b", None, "done")]
    )
    lost = talk("lost", instruction=says("I am lost."))
    sent = flow(*map(step, range(STEPS)), helper, lost, tools=[TOOL], default_dynamic_variables={"x": "1"})
    one = flow_call(sent, choose("2", last="help me"), choose("1"), {"steps": [{"say": "So then."}]})
    told, expected, said = 0, ["n0 normal"], list[str]()
    for number in range(24):
        if number in HELPED:
            said += ["help me.", "thanks."]
            expected += ["help global", f"n{told} global_go_back"]
        said.append("go on.")
        told = _next_talker(told, expected)
    for number, text in enumerate(said):
        one.call.user_says(text, at_s=3 + TURN_S * number)
    one.call.user_hangs_up(at_s=3 + TURN_S * len(said))
    report = await one.call.run()
    assert len(said) == STEPS
    assert [line for line in one.call.lines() if line.startswith("user")] == [f"user: {text}" for text in said]
    assert one.transitions() == expected
    results = [item for item in report.items if isinstance(item, ToolCallResult)]
    assert [item.successful for item in results] == [True] * one.http.asked == [True] * (STEPS // 5)
    assert "I am lost." not in one.call.log()


def _next_talker(number: int, expected: list[str]) -> int:
    """The next node that waits for the caller; all that are entered on the way are expected."""
    while True:
        number = (number + 1) % STEPS
        expected.append(f"n{number} normal")
        if number % 5 < 3:
            return number
