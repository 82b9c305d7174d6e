r"""A language model by rules, for tests, load tests and examples: what it is shown decides what it does.

```json
{"rules": [
  {"when": {"last": "table for (\\w+)", "offered": "book_table"},
   "steps": [{"say": "One moment. "}, {"use": "book_table", "arguments": {"guests": "\\1"}}]},
  {"when": {"after_tool": "book_table"}, "steps": [{"say": "Your table is booked."}]},
  {"times": 1, "steps": [{"fail": 429}]},
  {"steps": [{"say": "Sorry, say that again?"}]}
]}
```
The first rule that fits is followed. In a rule with `last`, `\1` and `\g<name>` stand for what it matched.
"""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from retold.domain.dialogue import AgentText, Message, ModelRequest, StopReason, SystemText, ToolOutcome, UserText

_ROLES = {UserText: "user", AgentText: "agent", SystemText: "system", ToolOutcome: "tool"}


def _expression(text: str) -> str:
    re.compile(text)
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SayStep(_Part):
    """Say something, in pieces of one word each."""

    say: str
    gap_ms: float = Field(default=0, ge=0)
    """Pause before every further piece."""


class UseStep(_Part):
    """Use a tool."""

    use: str
    arguments: dict[str, Any] | str = {}
    """A text is given as it is, be it JSON or not."""


class WaitStep(_Part):
    """Say nothing for a while."""

    wait_ms: float = Field(ge=0)


class HangStep(_Part):
    """Say nothing more, and do not end."""

    hang: Literal[True]


class FailStep(_Part):
    """Fail: with an HTTP status as the first step, after that in mid-stream."""

    fail: Annotated[int, Field(ge=400, le=599)]
    message: str = "the script says so"


class BreakStep(_Part):
    """Break off: end without an end, or send what is no JSON."""

    broken: Literal["cut", "bad_json"]


class StopStep(_Part):
    """Stop for a reason other than having said all."""

    stop: StopReason


class UsageStep(_Part):
    """Count so many tokens, instead of one for each word."""

    input_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]


Step = SayStep | UseStep | WaitStep | HangStep | FailStep | BreakStep | StopStep | UsageStep


class Condition(_Part):
    """When a rule fits; what is not named fits always."""

    last: Expression | None = None
    """Found, in any case of letters, in the last message."""
    role: Literal["user", "agent", "system", "tool"] | None = None
    """Of the last message."""
    after_tool: str | None = None
    """The last message is the outcome of this tool."""
    system: Expression | None = None
    """Found in the prompt or another system message."""
    offered: str | None = None
    """This tool is offered."""
    model: str | None = None
    is_structured: bool | None = None
    """Whether the answer is to follow a schema."""


class Rule(_Part):
    """What is done when; with `times`, only so often in the life of the script."""

    steps: tuple[Step, ...]
    when: Condition = Condition()
    times: Annotated[int, Field(ge=1)] | None = None


class Script(_Part):
    """A whole script; when no rule fits, `otherwise` is said."""

    rules: tuple[Rule, ...] = ()
    otherwise: str = "I have nothing to say to that."


class ScriptReader:
    """Follows one script; it counts how often each rule was used."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._used = [0] * len(script.rules)

    def steps_for(self, request: ModelRequest) -> Sequence[Step]:
        """What to do for this request."""
        for number, rule in enumerate(self._script.rules):
            if rule.times is not None and self._used[number] >= rule.times:
                continue
            if (found := _fits(rule.when, request)) is not None:
                self._used[number] += 1
                return rule.steps if rule.when.last is None else [_filled(step, found) for step in rule.steps]
        return [SayStep(say=self._script.otherwise)]


def pieces_of(text: str) -> list[str]:
    """The words of a text, each with the space before it, as models send them; nothing of it is lost."""
    return re.findall(r"\s*\S+|\s+\Z", text)


def tokens_of(request: ModelRequest) -> int:
    """One for each word that the model is shown."""
    return sum(len(_text_of(message).split()) for message in request.messages)


def _fits(when: Condition, request: ModelRequest) -> re.Match[str] | None:
    last = request.messages[-1] if request.messages else SystemText("")
    systems = "\n".join(message.text for message in request.messages if isinstance(message, SystemText))
    is_fitting = (
        when.role in {None, _ROLES[type(last)]}
        and when.after_tool in {None, _tool_of(last, request.messages)}
        and (when.system is None or re.search(when.system, systems) is not None)
        and (when.offered is None or when.offered in {tool.name for tool in request.tools})
        and when.model in {None, request.model}
        and when.is_structured in {None, request.schema is not None}
    )
    return re.search(when.last or "", _text_of(last), re.IGNORECASE) if is_fitting else None


def _tool_of(message: Message, messages: Sequence[Message]) -> str | None:
    if not isinstance(message, ToolOutcome):
        return None
    uses = {use.id: use.name for earlier in messages if isinstance(earlier, AgentText) for use in earlier.tool_uses}
    return uses.get(message.tool_use_id)


def _text_of(message: Message) -> str:
    return message.content if isinstance(message, ToolOutcome) else message.text


def _filled(step: Step, found: re.Match[str]) -> Step:
    if isinstance(step, SayStep):
        return step.model_copy(update={"say": found.expand(step.say)})
    if isinstance(step, UseStep) and not isinstance(step.arguments, str):
        return step.model_copy(update={"arguments": _expanded(step.arguments, found)})
    return step


def _expanded(value: Any, found: re.Match[str]) -> Any:
    if isinstance(value, str):
        return found.expand(value)
    if isinstance(value, dict):
        return {name: _expanded(part, found) for name, part in cast("dict[str, Any]", value).items()}
    return [_expanded(part, found) for part in cast("list[Any]", value)] if isinstance(value, list) else value


def arguments_text(step: UseStep) -> str:
    """The arguments as the model writes them."""
    return step.arguments if isinstance(step.arguments, str) else json.dumps(step.arguments)


ECHO: Final = Script(rules=(Rule(when=Condition(last="(.*)"), steps=(SayStep(say=r"You said: \1"),)),))
"""Repeats the last message."""
