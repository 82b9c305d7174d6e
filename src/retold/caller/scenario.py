"""The scenario format of `retold call`: YAML in, checked steps and expectations out; reads nothing but the text.

Everything is checked before a call is placed, and a mistake is reported with its step, field, value and remedy.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from retold.caller.expectations import Expectations, parse_expectations
from retold.caller.fields import Fields, wrong
from retold.errors import ScenarioInvalid

MAX_SCENARIO_BYTES = 1_000_000
MAX_STEPS = 1_000
MAX_DURATION_MS = 7_200_000
DEFAULT_WAIT_MS = 20_000

Anchor = Literal["agent_start", "agent_done"]


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text in the caller's voice."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play a WAV file as the caller's voice."""

    path: Path


@dataclass(frozen=True, slots=True)
class WaitAgentDone:
    """Wait until the agent has spoken and been silent for 300 ms; not in time fails the call if it `is_required`."""

    timeout_ms: float = DEFAULT_WAIT_MS
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class At:
    """Say or play something `delay_ms` after the agent next starts to speak, or has finished."""

    anchor: Anchor
    delay_ms: float
    passage: Say | Play
    timeout_ms: float = DEFAULT_WAIT_MS


@dataclass(frozen=True, slots=True)
class Silence:
    """Say nothing for a while."""

    duration_ms: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send one raw websocket frame."""

    payload: str | bytes


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up."""


Step = Say | Play | WaitAgentDone | At | Silence | Send | HangUp


@dataclass(frozen=True, slots=True)
class Scenario:
    """A call to place: whom to call, what to do, and what must come of it."""

    steps: tuple[Step, ...]
    agent: str | Mapping[str, Any] = "demo"
    expect: Expectations = field(default_factory=Expectations)
    title: str = ""


def read_scenario(path: Path) -> Scenario:
    """Read and check a scenario file; `play` paths are relative to it. Raises ScenarioInvalid."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SCENARIO_BYTES + 1)
    except OSError as error:
        raise ScenarioInvalid(f"cannot open scenario {path}: {error.strerror}") from error
    try:
        return parse_scenario(text, folder=path.parent)
    except ScenarioInvalid as error:
        raise ScenarioInvalid(f"{path}: {error}") from error


def parse_scenario(text: str | bytes, *, folder: Path) -> Scenario:
    """Check a scenario given as YAML. Raises ScenarioInvalid."""
    if len(text) > MAX_SCENARIO_BYTES:
        raise ScenarioInvalid(f"the scenario is over {MAX_SCENARIO_BYTES} bytes; split it")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ScenarioInvalid(f"not valid YAML: {' '.join(str(error).split())}") from error
    top = Fields.of(document, "scenario", known=("title", "agent", "caller", "expect"))
    return Scenario(
        title=top.text("title", default=""),
        agent=_agent(top),
        steps=_steps(top, folder),
        expect=parse_expectations(top.get("expect")),
    )


def one_turn(path: Path) -> Scenario:
    """The short form: let the agent greet, play a file, let the agent answer, hang up."""
    return Scenario(
        title=path.name,
        steps=(WaitAgentDone(timeout_ms=12_000, is_required=False), Play(path), WaitAgentDone(), HangUp()),
    )


def _agent(top: Fields) -> str | Mapping[str, Any]:
    agent = top.get("agent", "demo")
    if isinstance(agent, str) and agent:
        return agent
    if isinstance(agent, dict) and all(isinstance(key, str) for key in agent):
        return agent
    raise wrong("scenario", "agent", agent, "give an agent id, or the body of a create-agent request")


def _steps(top: Fields, folder: Path) -> tuple[Step, ...]:
    steps = top.get("caller")
    if not isinstance(steps, list) or not steps:
        raise wrong("scenario", "caller", steps, "give a list of steps, such as `- wait: agent_done`")
    if len(steps) > MAX_STEPS:
        raise ScenarioInvalid(f"`caller` has {len(steps)} steps; at most {MAX_STEPS} are played")
    return tuple(_step(step, f"step {number}", folder) for number, step in enumerate(steps, start=1))


_STEP_KINDS = ("wait", "say", "play", "at", "silence", "send", "hang_up")


def _step(step: object, where: str, folder: Path) -> Step:
    if step in ("hang_up", {"hang_up": None}):
        return HangUp()
    fields = Fields.of(step, where, known=(*_STEP_KINDS, "timeout_s"))
    match sorted(fields.names - {"timeout_s"}):
        case ["wait"]:
            fields.one_of("wait", ("agent_done",))
            return WaitAgentDone(_timeout_ms(fields))
        case ["at", "say"] | ["at", "play"]:
            return _at(fields, folder)
        case ["say"] | ["play"]:
            fields.only(where, "say", "play")
            return _passage(fields, folder)
        case ["silence"]:
            fields.only(where, "silence")
            return Silence(_duration_ms(fields, "silence"))
        case ["send"]:
            fields.only(where, "send")
            return Send(_payload(fields))
        case _:
            raise wrong(where, None, step, f"give one of {', '.join(_STEP_KINDS)}, or `at` with `say` or `play`")


def _passage(fields: Fields, folder: Path) -> Say | Play:
    if "say" in fields.names:
        return Say(fields.text("say"))
    return Play(folder / Path(fields.text("play")).expanduser())


_AT = re.compile(r"(?P<delay>\S+)\s+after\s+(?P<anchor>agent_start|agent_done)")


def _at(fields: Fields, folder: Path) -> At:
    when = fields.text("at")
    found = _AT.fullmatch(when.strip())
    delay_ms = parse_duration_ms(found["delay"]) if found else None
    if found is None or delay_ms is None:
        raise wrong(fields.where, "at", when, "write it as `1.2s after agent_start` or `300ms after agent_done`")
    anchor: Anchor = "agent_start" if found["anchor"] == "agent_start" else "agent_done"
    return At(anchor, delay_ms, _passage(fields, folder), _timeout_ms(fields))


def _timeout_ms(fields: Fields) -> float:
    seconds = fields.number("timeout_s", default=DEFAULT_WAIT_MS / 1000)
    if not 0 < seconds <= MAX_DURATION_MS / 1000:
        raise wrong(fields.where, "timeout_s", seconds, f"give seconds over 0 and up to {MAX_DURATION_MS // 1000}")
    return seconds * 1000


def _duration_ms(fields: Fields, name: str) -> float:
    duration_ms = parse_duration_ms(fields.get(name))
    if duration_ms is None:
        raise wrong(fields.where, name, fields.get(name), "write a time up to 2 hours with its unit: `4s` or `400ms`")
    return duration_ms


_DURATION = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?)(?P<unit>ms|s)", re.ASCII)


def parse_duration_ms(value: object) -> float | None:
    """Milliseconds of a text such as `1.2s` or `300ms`; None when it is not one, or over 2 hours."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    duration_ms = float(found["number"]) * (1000 if found["unit"] == "s" else 1)
    return duration_ms if duration_ms <= MAX_DURATION_MS else None


def _payload(fields: Fields) -> str | bytes:
    frame = Fields.of(fields.get("send"), f"{fields.where}: send", known=("text", "binary"))
    match sorted(frame.names):
        case ["text"]:
            return frame.text("text", may_be_empty=True)
        case ["binary"]:
            digits = frame.text("binary", may_be_empty=True)
            try:
                return bytes.fromhex(digits)
            except ValueError as error:
                raise wrong(frame.where, "binary", digits, 'give pairs of hex digits in quotes: "00ff"') from error
        case _:
            raise wrong(fields.where, "send", fields.get("send"), "give either `text` or `binary`")
