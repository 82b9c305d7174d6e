"""Announces the transcript of a running call each time the turn changes (`transcript_updated`).

Nothing waits for it: it follows the timeline, and what a slow database or receiver has not taken by the next turn is
replaced by what that has. The last words are announced with the end of the call, in its transaction.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from structlog.stdlib import get_logger

from retold.calls.consequences import Audience
from retold.calls.live import Course, LiveCall
from retold.domain.call import CallRecord
from retold.domain.consequences import Consequences
from retold.domain.transcript import Forms, TranscriptItem, as_text
from retold.domain.webhook_events import Moment
from retold.engine.timeline import AnyEvent, ReplyStarted, UserSpeechStarted
from retold.engine.transcript_fold import TranscriptFold
from retold.errors import StorageError
from retold.storage.store import Store, with_call

EVENT = "transcript_updated"


@asynccontextmanager
async def announced(live: LiveCall, course: Course, audience: Audience, store: Store) -> AsyncGenerator[None]:
    """Announce the transcript while the block runs, if anybody wants it."""
    if not audience.wants(EVENT):
        yield
        return
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_announce, live, course, audience, store)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below: a task group would wrap what ends the call
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _announce(live: LiveCall, course: Course, audience: Audience, store: Store) -> None:
    turns = _Turns(course)
    news = anyio.Event()

    def bell() -> None:
        news.set()

    try:
        with course.timeline.followed(bell):
            while True:
                if turns.have_changed():
                    record = turns.shown_in(live.record)
                    live.told = record
                    at_ms = course.clock.wall_ms(course.clock.now_ms())
                    following = await anyio.to_thread.run_sync(_follows, audience, record, at_ms)
                    await _tell(store, record, following)
                await news.wait()
                news = anyio.Event()
    except Exception:  # noqa: BLE001 - the border of a side task: a transcript that is not announced ends no call
        get_logger().exception("transcript_not_announced")


def _follows(audience: Audience, record: CallRecord, at_ms: int) -> Consequences:
    return audience.follows(Moment.TOLD, record.permitted(), at_ms)


async def _tell(store: Store, record: CallRecord, consequences: Consequences) -> None:
    try:
        await store.tell_of_call(record, consequences)
    except StorageError as error:
        get_logger().warning("transcript_not_announced", error=str(error))


class _Turns:
    """The transcript of a call, looked at when somebody else takes the floor."""

    def __init__(self, course: Course) -> None:
        self._timeline = course.timeline
        self._fold = TranscriptFold()
        self._forms = Forms(lambda item: item.wire())
        self._folded = 0
        self._turn: type[AnyEvent] | None = None
        self._told: tuple[TranscriptItem, ...] = ()

    def have_changed(self) -> bool:
        """Whether the turn has changed since the last time, and the transcript is another one."""
        is_due = False
        for event in self._timeline.since(self._folded):
            self._folded += 1
            self._fold.apply(event)
            if isinstance(event, UserSpeechStarted | ReplyStarted) and type(event) is not self._turn:
                self._turn = type(event)
                is_due = True
        return is_due and self._fold.items() != self._told

    def shown_in(self, record: CallRecord) -> CallRecord:
        """The call with its transcript so far."""
        self._told = self._fold.items()
        utterances = self._fold.utterances()
        return with_call(
            record,
            transcript=as_text(utterances),
            transcript_object=[utterance.wire() for utterance in utterances],
            transcript_with_tool_calls=self._forms.of(self._told),
        )
