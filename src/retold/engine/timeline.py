"""The append-only event list of a call: the one thing every record is folded from.

Events carry call time in milliseconds. They are encoded as one JSON object each, tagged by `type`, and
that encoding is the journal's format: an event may gain optional fields but never lose or rename one.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import msgspec

from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import TransitionType, Word
from retold.ports import Journal


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Something that happened; `is_sensitive` ones are kept off the disk when the agent's storage setting says so."""

    is_sensitive: ClassVar[bool] = False

    at_ms: float


class CallConnected(Event, frozen=True, tag="call_connected"):
    """Media flows; call time starts here."""

    wall_ms: int
    sample_rate: int


class UserSpeechStarted(Event, frozen=True, tag="user_speech_started"):
    """The caller began to speak at `onset_ms`; known at `at_ms`."""

    onset_ms: float


class UserSpeechEnded(Event, frozen=True, tag="user_speech_ended"):
    """The caller fell silent: the last audible sample was at `speech_end_ms`."""

    speech_end_ms: float


class UserTranscribed(Event, frozen=True, tag="user_transcribed"):
    """The final words of one utterance; a later event for the same utterance replaces them."""

    is_sensitive = True

    utterance: int
    words: tuple[Word, ...]
    lag_ms: float = 0.0
    onset_ms: float = 0.0
    is_unintelligible: bool = False
    """Speech without recognisable words, long enough to be shown as such."""


class TurnDecided(Event, frozen=True, tag="turn_decided"):
    """A decision of turn taking and its reason, in words."""

    is_sensitive = True

    decision: str
    reason: str


class ReplyRequested(Event, frozen=True, tag="reply_requested"):
    """The responder was asked for a reply. `speech_end_ms`: when the caller's words that it answers ended."""

    response_id: int
    kind: str
    speech_end_ms: float | None = None


class ReplyFirstChunk(Event, frozen=True, tag="reply_first_chunk"):
    """The first speakable chunk of a reply arrived."""

    response_id: int
    interrupt_id: int | None = None


class SpeechRequested(Event, frozen=True, tag="speech_requested"):
    """The first chunk of a reply went to text to speech."""

    response_id: int
    interrupt_id: int | None = None


class SpeechReceived(Event, frozen=True, tag="speech_received"):
    """Text to speech gave the first audio of a reply."""

    response_id: int
    interrupt_id: int | None = None


class ReplyStarted(Event, frozen=True, tag="reply_started"):
    """The first audible sample of a reply is played at `at_ms`."""

    response_id: int
    interrupt_id: int | None = None


class WordsPlayed(Event, frozen=True, tag="words_played"):
    """Words of a reply that the caller heard: at least half of each was played."""

    is_sensitive = True

    response_id: int
    words: tuple[Word, ...]
    interrupt_id: int | None = None


class ReplyEnded(Event, frozen=True, tag="reply_ended"):
    """A reply is over; `unheard` is the text that was intended but not heard."""

    is_sensitive = True

    response_id: int
    was_interrupted: bool
    unheard: str = ""
    interrupt_id: int | None = None


class ToolCallStarted(Event, frozen=True, tag="tool_call_started"):
    """A tool was invoked."""

    is_sensitive = True

    tool_call_id: str
    name: str
    arguments: str
    tool_type: str | None = None
    """The kind of a tool that we ran; None for what an LLM server told of its own."""


class ToolCallEnded(Event, frozen=True, tag="tool_call_ended"):
    """A tool gave its result."""

    is_sensitive = True

    tool_call_id: str
    content: str
    successful: bool | None = None


class ModelUsed(Event, frozen=True, tag="model_used"):
    """A request to a language model was answered; its tokens."""

    input_tokens: int
    output_tokens: int


class VariablesCollected(Event, frozen=True, tag="variables_collected"):
    """These dynamic variables got these values in the conversation."""

    is_sensitive = True

    values: dict[str, str]


class NodeEntered(Event, frozen=True, tag="node_entered"):
    """A flow went on to another node."""

    is_sensitive = True

    former_node_id: str
    former_node_name: str
    new_node_id: str
    new_node_name: str
    transition_type: TransitionType = "normal"


class StateEntered(Event, frozen=True, tag="state_entered"):
    """A Retell LLM went on to another state."""

    is_sensitive = True

    former_state_name: str
    new_state_name: str


class AgentChanged(Event, frozen=True, tag="agent_changed"):
    """Another agent goes on with the call."""

    agent_id: str
    agent_version: int
    agent_name: str | None = None


class ContextInjected(Event, frozen=True, tag="context_injected"):
    """The API told the agent something in mid-call."""

    is_sensitive = True

    text: str


class CallOverridden(Event, frozen=True, tag="call_overridden"):
    """The API changed these fields of the call in mid-call."""

    fields: tuple[str, ...]


class ResponderTraffic(Event, frozen=True, tag="responder_traffic"):
    """One message to (`sent`) or from (`received`) the responder's server, or a `note` on its connection."""

    is_sensitive = True

    direction: str
    text: str


class RoundTripMeasured(Event, frozen=True, tag="round_trip_measured"):
    """A ping_pong round trip to the responder's server."""

    rtt_ms: float


class Noted(Event, frozen=True, tag="noted"):
    """Anything else worth a line in the public log: provider calls, stalls, warnings."""

    is_sensitive = True

    text: str


class Heartbeat(Event, frozen=True, tag="heartbeat"):
    """The call is alive; bounds what a crash can hide."""


class EndIntended(Event, frozen=True, tag="end_intended"):
    """The call is going to end for this reason; journaled before anything is torn down."""

    reason: DisconnectionReason
    detail: str = ""


AnyEvent = (
    CallConnected
    | UserSpeechStarted
    | UserSpeechEnded
    | UserTranscribed
    | TurnDecided
    | ReplyRequested
    | ReplyFirstChunk
    | SpeechRequested
    | SpeechReceived
    | ReplyStarted
    | WordsPlayed
    | ReplyEnded
    | ToolCallStarted
    | ToolCallEnded
    | ModelUsed
    | VariablesCollected
    | NodeEntered
    | StateEntered
    | AgentChanged
    | ContextInjected
    | CallOverridden
    | ResponderTraffic
    | RoundTripMeasured
    | Noted
    | Heartbeat
    | EndIntended
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


def encode(event: AnyEvent) -> bytes:
    """One event as the journal keeps it."""
    return _encoder.encode(event)


def decode(raw: bytes) -> AnyEvent:
    """An event from the journal. Raises msgspec.MsgspecError or UnicodeDecodeError on a damaged one."""
    return _decoder.decode(raw)


def without_sensitive(event: AnyEvent) -> AnyEvent | None:
    """What may be kept of an event when nothing sensitive may; None when nothing."""
    if event.is_sensitive:
        return None
    # The detail quotes errors, and errors quote what a peer sent.
    return msgspec.structs.replace(event, detail="") if isinstance(event, EndIntended) else event


class Timeline:
    """The events of one call in order; appending also journals, unless the event must not be stored."""

    def __init__(self, journal: Journal, *, stores_sensitive_data: bool) -> None:
        self._journal = journal
        self._stores_sensitive_data = stores_sensitive_data
        self._events: list[AnyEvent] = []
        self._bells: list[Callable[[], None]] = []

    def append(self, event: AnyEvent) -> None:
        """Add an event at the end and queue it for the journal; never waits."""
        self._events.append(event)
        kept = event if self._stores_sensitive_data else without_sensitive(event)
        if kept is not None:
            self._journal.append(len(self._events), kept.at_ms, encode(kept))
        self.ring()

    def tighten(self) -> None:
        """Journal nothing sensitive any more."""
        self._stores_sensitive_data = False

    @contextmanager
    def followed(self, bell: Callable[[], None]) -> Generator[None]:
        """Ring this bell at every event; it must return at once."""
        self._bells.append(bell)
        try:
            yield
        finally:
            self._bells.remove(bell)

    def ring(self) -> None:
        """Have everybody who follows look."""
        for bell in self._bells:
            bell()

    async def committed(self, *, is_urgent: bool = True) -> None:
        """Wait until all events so far are on disk (ports.Journal). Raises StorageError."""
        await self._journal.committed(is_urgent=is_urgent)

    def since(self, count: int) -> list[AnyEvent]:
        """The events after the first `count`."""
        return self._events[count:]

    def __reversed__(self) -> Iterator[AnyEvent]:
        return reversed(self._events)

    def __iter__(self) -> Iterator[AnyEvent]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)


def replay(entries: Iterable[bytes]) -> list[AnyEvent]:
    """Decode a journal up to its last good entry; a torn tail is dropped, as after a crash."""
    events: list[AnyEvent] = []
    for raw in entries:
        try:
            events.append(decode(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            break
    return events
