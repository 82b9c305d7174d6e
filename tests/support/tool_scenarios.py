"""Whole calls in which an agent uses one tool once: the caller asks for it, and goes on talking afterwards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from retold.domain.dialogue import ModelRequest, ToolOutcome
from retold.domain.llm import Mcp
from retold.domain.transcript import NodeTransition, ToolCallInvocation, ToolCallResult, TranscriptItem, Utterance
from retold.engine import timeline as t
from retold.engine.report import CallReport
from support.dialogue import Dialogue
from support.minds import Thinking, llm_of, thinking
from support.tool_kinds import KINDS, Kind
from support.tool_rim import Outcome, Rim

TOOL: Final = "it"
HI, ASKS, HURRIES, GOES_ON = "Hi.", "Please do it now.", "Please hurry up.", "Are you still there?"
LET_ME_SEE, FOUND, BRIDGE, ON_IT, HERE, BO = (
    "Let me see.",
    "That is how it is.",
    "Hm, hm.",
    "I am on it.",
    "I am here.",
    "Bo speaking.",
)
ASKS_S: Final = 2.0
BEGUN_S: Final = 3.5
"""By then a tool is running."""
KITCHEN: Final = Mcp(name="kitchen", url="https://mcp.example", timeout_ms=6_000)


def says(text: str, **when: str) -> dict[str, Any]:
    """A rule of the model."""
    return {"when": when, "steps": [{"say": text}]}


BRIDGES: Final = {"say": BRIDGE}
RULES: Final = (
    says(BO, role="system", last="taken over"),
    says(FOUND, role="system", last="what the tool has given"),
    says(FOUND, after_tool=TOOL),
    says(FOUND, role="user", last="you know"),
    says(ON_IT, role="user", last="hurry up"),
    says(HERE, role="user", last="still there"),
)


@dataclass
class Scenario:
    """One call with one tool, of which comes `outcome` after `takes_s`."""

    type: str
    outcome: Outcome
    one: Thinking
    rim: Rim
    takes_s: float

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]

    @property
    def gave(self) -> str:
        """The result in the story."""
        return "it gave" if self.outcome is Outcome.SUCCESS else "it failed"

    @property
    def then(self) -> str:
        """What the agent says by the result, or the one who takes over."""
        return BO if self.type == "agent_swap" and self.outcome is Outcome.SUCCESS else FOUND

    async def hold(self, *said: tuple[float, str]) -> CallReport:
        """Hold the call: the caller asks, says this, and some time after the result something else."""
        goes_on_s = max([BEGUN_S + self.takes_s, *(at_s + 4 for at_s, _ in said)]) + 5
        for at_s, text in [(ASKS_S, ASKS), *said, (goes_on_s, GOES_ON)]:
            self.one.call.user_says(text, at_s=at_s)
        self.one.call.user_hangs_up(at_s=goes_on_s + 5)
        return await self.one.call.run()

    def story(self) -> list[str]:
        """What was said and done, in order."""
        return story_of(self.one.call)

    def check_record(self) -> None:
        """The invocation and the result stand in the record once, with all they have, each at its word."""
        check_record(self.one.call, self.type, TOOL, self.outcome, self.rim)

    def showing(self, last: str) -> list[str]:
        """What the model was shown of the tool when it was asked to answer the caller's last words."""
        return shown_in(next(request for request in self.one.model.requests if last in _last(request)))


def scenario(
    kind_name: str,
    outcome: Outcome,
    *,
    model_says: str = LET_ME_SEE,
    bridge: Mapping[str, Any] = BRIDGES,
    takes_s: float = 2.0,
    **fields: Any,
) -> Scenario:
    """A call whose agent has one tool of this type, with these fields besides those it needs.

    The model says something as it uses the tool, and does `bridge` when it is asked to bridge the wait.
    """
    kind = KINDS[kind_name]
    rim = Rim(outcome, takes_s)
    tool = {"type": kind_name, "name": TOOL, **kind.fields, **fields}
    llm = llm_of(begin_message=HI, general_prompt="Be Ada.", general_tools=[tool], mcps=[KITCHEN])
    say = [{"say": f"{model_says} "}] if model_says else []
    asked = {"role": "user", "last": "do it"}
    use = {"use": TOOL, "arguments": arguments(kind_name, outcome)}
    rules = (
        {"when": asked, "steps": [*say, use]},
        {"when": {"role": "system", "last": "bridges the wait"}, "steps": [bridge]},
        *RULES,
    )
    others = {"agent_bo": rim.find_agent}
    one = thinking(llm, *rules, services=rim.services(), others=others)
    lasts_s = 0.0 if not kind.asks else kind.limit_s if outcome is Outcome.TIMEOUT else takes_s
    return Scenario(kind_name, outcome, one, rim, lasts_s)


def arguments(kind_name: str, outcome: Outcome) -> Mapping[str, Any]:
    """What the model uses the tool with to this end."""
    kind = KINDS[kind_name]
    wrong = kind.wrong_arguments if outcome is Outcome.FAILURE else None
    return kind.arguments if wrong is None else wrong


def story_of(call: Dialogue) -> list[str]:
    """What was said and done, in order: words, nodes entered as `a > b`, what was used and what came of it."""
    return [_told(item) for item in call.report().items]


def _told(item: TranscriptItem) -> str:
    match item:
        case Utterance():
            return f"{item.role}: {item.content}"
        case ToolCallInvocation():
            return f"uses {item.name}"
        case ToolCallResult():
            return "it gave" if item.successful else "it failed"
        case NodeTransition():
            return f"{item.former_node_id} > {item.new_node_id}"
        case _:
            raise AssertionError(item)


def check_record(call: Dialogue, kind_name: str, name: str, outcome: Outcome, rim: Rim) -> None:
    """The invocation and the result stand in the record once, with all they have, each at its word."""
    items, kind = call.report().items, KINDS[kind_name]
    (used,) = [item.wire() for item in items if isinstance(item, ToolCallInvocation)]
    (gave,) = [item.wire() for item in items if isinstance(item, ToolCallResult)]
    assert (used["name"], used["type"]) == (name, kind_name)
    assert json.loads(used["arguments"]) == arguments(kind_name, outcome)
    assert gave["tool_call_id"] == used["tool_call_id"]
    assert gave["successful"] is (outcome is Outcome.SUCCESS)
    assert gave["content"].startswith(kind.begins[outcome])
    (started,) = [event.at_ms for event in call.timeline if isinstance(event, t.ToolCallStarted)]
    (ended,) = [event.at_ms for event in call.timeline if isinstance(event, t.ToolCallEnded)]
    if kind.asks:
        assert [started, ended] == pytest.approx([rim.begun_ms[0], rim.done_ms[-1]], abs=1)
    else:
        assert started == pytest.approx(ended, abs=1)
    check_words(items, ToolCallInvocation, started)
    check_words(items, ToolCallResult, ended)


def check_words(items: Sequence[TranscriptItem], kind: type[TranscriptItem], at_ms: float) -> None:
    """All words before the item began before its moment, all words after it not before that."""
    place = next(number for number, item in enumerate(items) if isinstance(item, kind))
    assert all(start_ms < at_ms for start_ms in _starts_ms(items[:place]))
    assert all(start_ms >= at_ms for start_ms in _starts_ms(items[place:]))


def shown_in(request: ModelRequest) -> list[str]:
    """The outcomes of tools in a request to the model."""
    return [message.content for message in request.messages if isinstance(message, ToolOutcome)]


def _starts_ms(items: Sequence[TranscriptItem]) -> list[float]:
    return [word.start_ms for item in items if isinstance(item, Utterance) for word in item.words]


def _last(request: ModelRequest) -> str:
    return getattr(request.messages[-1], "text", "")
