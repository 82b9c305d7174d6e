"""Who is told what of the transcript, and when; on virtual time."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from retold.clock import CallClock
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.actions import Ask
from retold.engine.leg import Leg
from retold.engine.telling import Telling
from retold.engine.turn_events import TurnEvent
from retold.ports import Act, ReplyKind, ReplyWanted, TranscriptChanged, Turn
from retold.transports.loopback import LoopbackTransport
from support.dialogue import RATE_HZ, ArrayTape
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

BOOK = (Word("book", 100, 300),)
BOOK_IT = (*BOOK, Word("it", 400, 600))
COMMIT_S = 0.03


class SlowJournal:
    """A journal that takes a while for each commit, and counts how often, and how urgently, it is waited for."""

    def __init__(self) -> None:
        self.waits = 0
        self.urgent_waits = 0

    def append(self, seq: int, at_ms: float, event: bytes) -> None:
        """Take an event."""

    async def committed(self, *, is_urgent: bool = True) -> None:
        self.waits += 1
        self.urgent_waits += is_urgent
        await anyio.sleep(COMMIT_S)


@dataclass
class Told:
    """A responder that only remembers what it is told, and all around it."""

    sent: list[ReplyWanted | TranscriptChanged] = field(default_factory=list[ReplyWanted | TranscriptChanged])

    def acts(self) -> AsyncIterator[Act]:
        raise NotImplementedError

    async def work(self) -> None:
        raise NotImplementedError

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        self.sent.append(event)

    async def close(self) -> None:
        raise NotImplementedError

    def texts(self) -> list[list[str]]:
        return [[utterance.content for utterance in event.transcript] for event in self.sent]


@dataclass
class Scene:
    told: Told
    journal: SlowJournal
    timeline: t.Timeline
    transport: LoopbackTransport
    telling: Telling


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    clock, journal, told, posted = VirtualClock(), SlowJournal(), Told(), list[TurnEvent]()
    timeline = t.Timeline(journal, stores_sensitive_data=True)
    transport = LoopbackTransport(clock, sample_rate=RATE_HZ)
    telling = Telling(Leg(transport, ArrayTape(), timeline, CallClock(clock), posted.append), told)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(telling.run)
        yield Scene(told, journal, timeline, transport, telling)
        tasks.cancel_scope.cancel()


async def test_a_partial_is_told_once_and_again_when_its_words_change() -> None:
    async with scene() as here:
        for words in (BOOK, BOOK, BOOK_IT, BOOK_IT, BOOK):
            here.telling.partial(0, words)
            await anyio.sleep(1)
        assert here.told.texts() == [["book"], ["book it"], ["book"]]
        assert [len(event["transcript"]) for _, event in here.transport.events] == [1, 1, 1]


async def test_words_that_are_not_final_wait_for_no_journal() -> None:
    async with scene() as here:
        here.telling.partial(0, BOOK)
        await anyio.sleep(0.001)
        assert (here.told.texts(), here.journal.waits) == ([["book"]], 0)


async def test_final_words_and_turns_are_told_when_they_are_in_the_journal() -> None:
    async with scene() as here:
        here.timeline.append(t.UserTranscribed(at_ms=700, utterance=0, words=BOOK_IT))
        here.telling.look()
        await anyio.sleep(COMMIT_S - 0.001)
        assert here.told.sent == []
        await anyio.sleep(0.002)
        assert here.told.texts() == [["book it"]]
        here.telling.turn(Turn.AGENT)
        await anyio.sleep(COMMIT_S - 0.002)
        assert len(here.told.sent) == 1
        await anyio.sleep(0.004)
        assert here.transport.events[-1][1]["turntaking"] == "agent_turn"


async def test_a_partial_behind_unwritten_words_waits_with_them() -> None:
    async with scene() as here:
        here.timeline.append(t.WordsPlayed(at_ms=90, response_id=0, words=(Word("Hello.", 10, 90),)))
        here.telling.partial(0, BOOK)
        await anyio.sleep(COMMIT_S - 0.001)
        assert here.told.sent == []
        await anyio.sleep(0.002)
        assert here.told.texts() == [["Hello.", "book"]]


async def test_a_reply_is_asked_for_urgently_and_all_else_told_at_the_pace_of_the_journal() -> None:
    async with scene() as here:
        here.timeline.append(t.UserTranscribed(at_ms=700, utterance=0, words=BOOK_IT))
        here.telling.turn(Turn.USER)
        await anyio.sleep(COMMIT_S + 0.001)
        assert (len(here.told.sent), here.journal.waits, here.journal.urgent_waits) == (1, 1, 0)
        here.timeline.append(t.UserTranscribed(at_ms=900, utterance=1, words=BOOK))
        await here.telling.ask(Ask(1, ReplyKind.RESPONSE, speech_end_ms=900))
        assert here.journal.urgent_waits == 1
        assert isinstance(here.told.sent[-1], ReplyWanted)
