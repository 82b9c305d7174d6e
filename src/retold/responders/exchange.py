"""What one call owes its LLM server and which answers count, over all connections of the call; pure."""

from dataclasses import replace

from retold.ports import ReplyWanted, Say, TranscriptChanged
from retold.responders.llm_protocol import Config


class Exchange:
    """The requests of one call and their answers.

    At most two events wait to be sent: the newest request and the newest transcript change. A request that is still
    unsent when the next one comes is void by the protocol, and of transcript changes only the newest matters.
    """

    def __init__(self) -> None:
        self.config = Config()
        """What the server asked for last; holds over a reconnect until it asks again."""
        self._waiting: list[ReplyWanted | TranscriptChanged] = []
        self._request: ReplyWanted | None = None
        self._latest_id = 0
        self._is_answered = False
        self._said = ""
        self._repeated: str | None = None
        self._interrupt_id: int | None = None
        self._is_interrupt_over = False

    @property
    def has_waiting(self) -> bool:
        """Whether `take()` would give something."""
        return bool(self._waiting)

    def put(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Queue an event for sending; a request also voids the answers to all older ones."""
        if isinstance(event, ReplyWanted):
            self._request = event
            self._latest_id = event.response_id
            self._is_answered = False
            self._said = ""
            self._repeated = None
        for older in self._waiting:
            if isinstance(event, TranscriptChanged) and isinstance(older, TranscriptChanged):
                # Whose turn began stays true until a later change says otherwise.
                event = replace(event, turntaking=event.turntaking or older.turntaking)
        self._waiting = [older for older in self._waiting if type(older) is not type(event)]
        self._waiting.append(event)

    def take(self) -> list[ReplyWanted | TranscriptChanged]:
        """Everything that waits, in the order it came."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def reconnected(self) -> None:
        """Another connection took over: the request that has no full answer yet goes out again.

        The server will then say again what it said before, so that the part already passed on must be skipped.
        """
        updates = [event for event in self._waiting if isinstance(event, TranscriptChanged)]
        if self._request is not None and not self._is_answered:
            self._waiting = [self._request, *updates]
        if not self._is_answered:
            self._repeated = ""

    def admit(self, say: Say) -> Say | None:
        """The answer as it counts; None for a stale one, or one that comes after `content_complete`."""
        if say.interrupt_id is not None:
            return self._admit_interrupt(say)
        if say.response_id != self._latest_id or self._is_answered:
            return None
        self._is_answered = say.is_complete
        return replace(say, text=self._without_repetition(say.text))

    def _admit_interrupt(self, say: Say) -> Say | None:
        if say.interrupt_id == self._interrupt_id and self._is_interrupt_over:
            return None
        self._interrupt_id = say.interrupt_id
        self._is_interrupt_over = say.is_complete
        return say

    def _without_repetition(self, text: str) -> str:
        if self._repeated is None:
            self._said += text
            return text
        self._repeated += text
        if self._said.startswith(self._repeated):
            return ""
        # A server that words its answer differently this time is heard from the start of it.
        said, self._said = self._said, self._repeated
        self._repeated = None
        return self._said.removeprefix(said)
