"""A responder that does exactly what a test says, also what no good responder does."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import Act, ReplyWanted, Say, TranscriptChanged
from support.dialogue import Dialogue

BEGIN = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing for `ms` milliseconds."""

    ms: float


Step = Act | Wait | Exception


def said(response_id: int, text: str, *, interrupt_id: int | None = None, is_complete: bool = True) -> Say:
    return Say(response_id, text, is_complete, interrupt_id=interrupt_id)


@dataclass
class Freely:
    """ports.Responder: does the steps at `answers[n]` when response n is wanted, those of BEGIN at the start."""

    answers: Mapping[int, Sequence[Step]]
    seen: list[ReplyWanted | TranscriptChanged] = field(default_factory=list[ReplyWanted | TranscriptChanged])
    is_closed: bool = False

    def __post_init__(self) -> None:
        self._wanted, self._wanted_out = anyio.create_memory_object_stream[int](100)
        self._wanted.send_nowait(BEGIN)

    async def acts(self) -> AsyncGenerator[Act]:
        with self._wanted_out:
            async for response_id in self._wanted_out:
                for step in self.answers.get(response_id, ()):
                    if isinstance(step, Wait):
                        await anyio.sleep(step.ms / 1000)
                    elif isinstance(step, Exception):
                        raise step
                    else:
                        yield step

    async def work(self) -> None:
        """All is done in `acts()`."""

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        self.seen.append(event)
        if isinstance(event, ReplyWanted):
            with suppress(anyio.BrokenResourceError):  # `acts()` is over
                self._wanted.send_nowait(event.response_id)

    async def close(self) -> None:
        self.is_closed = True
        self._wanted.close()


def freely(answers: Mapping[int, Sequence[Step]], rules: Rules | None = None) -> Dialogue:
    """A call whose responder does these steps, by response id."""
    return Dialogue(rules=rules or Rules(), mind=Freely(answers))


def notes(call: Dialogue) -> list[str]:
    return [event.text for event in call.timeline if isinstance(event, t.Noted)]
