"""Tells responder and client what happened, once it is in the journal.

Turn taking never waits for a peer or for the disk here: it leaves a note, and `run()`, a task of the session, passes
it on. Only the words that a reply is asked for are waited for, and for no longer than nobody notices.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import anyio
from structlog.stdlib import get_logger

from retold.domain.transcript import Forms, Word
from retold.engine.actions import Ask
from retold.engine.leg import Leg
from retold.engine.transcript_fold import TranscriptFold
from retold.errors import StorageError
from retold.ports import ReplyWanted, Responder, TranscriptChanged, Turn

COMMIT_TIMEOUT_S = 0.05
"""Longest wait for the journal before a reply is asked for; a stuck disk must not silence the call."""
TELL_TIMEOUT_S = 0.25
"""Longest wait for the journal before a change is told. Nobody waits for it: it takes the journal's own pace."""


class Telling:
    """The transcript of one call as others see it, and what they have not been told yet."""

    def __init__(self, leg: Leg, responder: Responder) -> None:
        self._timeline = leg.timeline
        self._transport = leg.transport
        self._responder = responder
        self._fold = TranscriptFold()
        self._shown = Forms(lambda item: item.wire())
        self._folded = 0
        self._changed_at = 0
        """Events up to the last one that changed the transcript."""
        self._safe = 0
        """Events known to be on disk."""
        self._has_changed = False
        self._turns = deque[Turn](maxlen=100)
        self._news = anyio.Event()

    def look(self) -> None:
        """Something may have happened: have it told."""
        self._news.set()

    def turn(self, turn: Turn) -> None:
        """A turn began."""
        self._turns.append(turn)
        self.look()

    def partial(self, utterance: int, words: tuple[Word, ...]) -> None:
        """Words that are not final yet; they are told if they are others than before, but not kept."""
        self._fold_new()
        if self._fold.hear(utterance, words):
            self._has_changed = True
            self.look()

    async def run(self) -> None:
        """Tell each change as soon as it is in the journal; runs until cancelled."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            self._fold_new()
            while self._has_changed or self._turns:
                await self._tell()
                self._fold_new()

    async def ask(self, action: Ask) -> None:
        """Ask the responder for a reply to words that are in the journal."""
        self._fold_new()
        if self._changed_at > self._safe:
            await self.committed()
        await self._responder.send(
            ReplyWanted(action.response_id, action.kind, self._fold.utterances(), self._fold.items())
        )

    async def committed(self, timeout_s: float = COMMIT_TIMEOUT_S, *, is_urgent: bool = True) -> None:
        """Wait for the journal, but never so long that the caller notices."""
        appended = len(self._timeline)
        try:
            with anyio.move_on_after(timeout_s) as scope:
                await self._timeline.committed(is_urgent=is_urgent)
                self._safe = max(self._safe, appended)
            if scope.cancelled_caught:
                get_logger().warning("journal_slow", waited_ms=timeout_s * 1000)
        except StorageError as error:
            get_logger().error("journal_failed", error=str(error))

    async def _tell(self) -> None:
        turn = self._turns.popleft() if self._turns else None
        self._has_changed = False
        # Words that are not final are in no journal: there is nothing to wait for.
        if turn or self._changed_at > self._safe:
            await self.committed(TELL_TIMEOUT_S, is_urgent=False)
        utterances = self._fold.utterances()
        await self._responder.send(TranscriptChanged(utterances, self._fold.items(), turn))
        if not self._transport.takes_updates:
            return
        update: Mapping[str, Any] = {
            "event_type": "update",
            "transcript": self._shown.of(utterances),
            **({"turntaking": turn.value} if turn else {}),
        }
        await self._transport.send_event(update)

    def _fold_new(self) -> None:
        for event in self._timeline.since(self._folded):
            self._folded += 1
            if self._fold.apply(event):
                self._has_changed = True
                self._changed_at = self._folded
