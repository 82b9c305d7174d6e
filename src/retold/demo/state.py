"""The values Ada's rules work on: what was said, what she knows, what she answers."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Literal

from retold.demo.practice import Day, Part, Slot
from retold.demo.understanding import Service, Task

GREETING: Final = "Hi, this is Ada, the demo receptionist at Lakeside Dental. How can I help you?"


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance of the transcript, as both sides heard it."""

    role: Literal["agent", "user"]
    content: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """A glance into the diary: a tool call with its result, for the record."""

    name: str
    arguments: dict[str, str]
    result: dict[str, str | bool | list[str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """Sentences and lookups in order; `ends_call` hangs up after the last sentence."""

    parts: tuple[str | Lookup, ...]
    ends_call: bool = False

    @property
    def text(self) -> str:
        """The sentences alone."""
        return " ".join(part for part in self.parts if isinstance(part, str))


class Asked(Enum):
    """The question Ada waits to have answered."""

    NOTHING = auto()
    DAY = auto()
    TIME = auto()
    OWN_DAY = auto()
    CONFIRM = auto()
    ANYTHING_ELSE = auto()


@dataclass(frozen=True, slots=True)
class State:
    """What Ada knows after some of the conversation."""

    task: Task | None = None
    service: Service | None = None
    day: Day | None = None
    minute: int | None = None
    part: Part | None = None
    own: Slot | None = None
    """The appointment the caller has: booked in this call, or found in the diary."""
    offered: tuple[int, ...] = ()
    asked: Asked = Asked.NOTHING
    misses: int = 0
    last: Reply = Reply((GREETING,))

    @property
    def slot(self) -> Slot | None:
        """Day and time wished for, once both are known."""
        return None if self.day is None or self.minute is None else Slot(self.day, self.minute)
