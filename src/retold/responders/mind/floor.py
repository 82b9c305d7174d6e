"""Whether a responder may begin to speak without being asked: nobody else is speaking, as far as it is told; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from retold.domain.transcript import Utterance
from retold.ports import ReplyWanted, TranscriptChanged
from retold.ports import Turn as TurnOf
from retold.responders.mind.turn import Turn

LULL_S: Final = 2.0
"""So long nothing new was heard of anybody: then nobody speaks, whatever the last word about it was.

While somebody speaks there is news several times a second."""


@dataclass(slots=True)
class Floor:
    """What a responder knows of who speaks; times are seconds of any one clock."""

    _is_callers: bool = False
    _changed_s: float = 0.0
    _said_words: int = 0
    _heard_words: int = 0
    _ref: tuple[int, int | None] = (0, None)
    """The reply that was said last."""

    def take(self, event: ReplyWanted | TranscriptChanged, now_s: float) -> None:
        """Take note of what was heard."""
        self._changed_s = now_s
        self._heard_words = max(self._heard_words, heard_words(event.transcript, *self._ref))
        if isinstance(event, ReplyWanted):
            self._is_callers = False
        elif event.turntaking is not None:
            self._is_callers = event.turntaking is TurnOf.USER

    def spoke(self, turn: Turn, now_s: float) -> None:
        """The responder has said all of a turn; it is still to be heard."""
        self._changed_s = now_s
        self._ref = (turn.response_id, turn.interrupt_id)
        self._said_words, self._heard_words = len(turn.spoken.split()), 0

    def is_heard(self) -> bool:
        """Whether all that was said last has been heard."""
        return self._heard_words >= self._said_words

    def free_in_s(self, now_s: float) -> float:
        """How long to wait before speaking, if nothing happens meanwhile; 0 when nobody speaks now."""
        if self.is_heard() and not self._is_callers:
            return 0.0
        return max(0.0, self._changed_s + LULL_S - now_s)


def heard_words(transcript: Sequence[Utterance], response_id: int, interrupt_id: int | None) -> int:
    """How many words of a reply the caller has heard, if it is the last one that was heard at all."""
    last = next((utterance for utterance in reversed(transcript) if utterance.role == "agent"), None)
    if last is None or last.interrupt_id != interrupt_id:
        return 0
    # Whose an interrupt is, its own number says; the session gives it the number of the reply that it interrupts.
    return len(last.words) if interrupt_id is not None or last.response_id == response_id else 0
