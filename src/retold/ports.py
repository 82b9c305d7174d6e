"""Every port of Retold and the values that cross it.

A port exists only where there are two implementations. Streams are "async iterator in, async
iterator out", and leaving the loop is cancelling; only the caller's audio, fifty frames a second, is handed over by a
call (ADR 8). Implementations do not inherit from a port; the contract tests prove them.

Times named `_ms` are milliseconds of call time (since the call connected) unless said otherwise.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from retold.domain.dialogue import ModelPart, ModelRequest
from retold.domain.http_answer import HttpAnswer
from retold.domain.notes import (
    ModelUsed,
    NodeEntered,
    RoundTrip,
    StateEntered,
    ToolInvoked,
    ToolReturned,
    Traffic,
    VariablesCollected,
)
from retold.domain.transcript import TranscriptItem, Utterance, Word

SPEECH_RATE_HZ = 16_000
"""The rate speech recognition and voice activity detection work at."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """PCM signed 16-bit little-endian mono; `len(pcm)` is twice the number of samples."""

    pcm: bytes
    sample_rate: int


# --- the caller's leg -------------------------------------------------------------------------


class Transport(Protocol):
    """One leg to the caller."""

    sample_rate: int
    """Rate of the audio that `listen()` hands over and `play()` takes, in Hz."""

    lead_ms: int
    """How far ahead of real time `play()` may be fed; for a peer that obeys `clear` 0 to 300, or what it asked for."""

    takes_updates: bool
    """Whether `update` events reach the peer; one holds the whole transcript, so it is not made for nobody."""

    @property
    def is_connected(self) -> bool:
        """Whether the peer is there to hear; False while a cut connection may still come back."""
        ...

    async def listen(self, take: Callable[[bytes], None]) -> None:
        """Hand over caller audio (s16le) as it arrives, in chunks of any size, until the peer has left for good.

        A short loss of the connection shows as a pause. Raises FrontendCorrupted on a malformed frame, and
        whatever `take` raises, which must not wait for anything.
        """
        ...

    async def play(self, frame: AudioFrame, text: str = "") -> None:
        """Send one frame of agent audio; `text` holds the words that start in it.

        Never waits for the peer: what a slow one leaves beyond a second is dropped. `clear()` and `send_event()`
        do not wait either.
        """
        ...

    async def clear(self) -> None:
        """Tell the peer to drop agent audio it has not played yet; overtakes what still waits to be sent."""
        ...

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Send an `update` or `metadata` event, if this peer takes them."""
        ...

    async def close(self, reason: str) -> None:
        """Hang up within 5 s; `reason` is shown to the peer where the protocol can."""
        ...


# --- speech -----------------------------------------------------------------------------------


class VoiceActivityDetector(Protocol):
    """Speech or not, for one call."""

    def feed(self, pcm: bytes) -> float:
        """Take 20 ms of 16 kHz PCM (640 bytes); give the latest probability of speech, 0 to 1. Under 2 ms."""
        ...


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """A piece of one utterance of the caller.

    Pieces of an utterance follow each other without gaps in sample order. `is_pause` says that the caller
    has fallen silent: the words so far are wanted as final. More pieces of the same utterance may
    follow when the caller goes on; the next final then holds all words of the utterance again.
    """

    utterance: int
    start_ms: float
    pcm: bytes
    is_pause: bool = False


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The words of one utterance so far, each with its call time; replaces what came before for that utterance.

    `lag_ms` is how much of the audio handed in was not yet covered when the words came out.
    """

    utterance: int
    words: tuple[Word, ...]
    is_final: bool
    lag_ms: float = 0.0


class SpeechToText(Protocol):
    """Speech recognition; one stream per call, many at a time."""

    def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncIterator[Transcribed]:
        """Recognise 16 kHz PCM as it comes. Each `is_pause` piece is answered by one final, also when it has no words.

        In between comes a partial when, and only when, there are other words than before to rely on.
        Raises RecognitionFailed when it cannot go on.
        """
        ...


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How to speak: our voice name, speed 0.5 to 2, volume 0 to 2."""

    voice: str = "default"
    speed: float = 1.0
    volume: float = 1.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """A run of synthesised audio and the words in it.

    `words` are the words of the text as written (split at white space), with times in
    milliseconds from the start of the whole `stream()`; a word is given with the piece in which it starts.
    """

    pcm: bytes
    sample_rate: int
    words: tuple[Word, ...]


class TextToSpeech(Protocol):
    """Speech synthesis, shared by all calls."""

    def stream(self, text: str, voice: VoiceSettings) -> AsyncIterator[Spoken]:
        """Speak one clause or sentence; yields as soon as there is audio. Raises SynthesisFailed when it cannot."""
        ...


# --- the agent's mind -------------------------------------------------------------------------


class LanguageModel(Protocol):
    """Language models by the names of the API, shared by all calls."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        """Give the answer as it comes: text in pieces, tool uses whole, the usage if it is known, then one StopPart.

        Read it under `aclosing`: closing, and cancelling who reads, end the request without waiting for the server.
        Raises ModelFailed, also in mid-answer; without a StopPart no answer is whole.
        """
        ...


class ReplyKind(StrEnum):
    """Why the agent should speak; the names are those of the LLM websocket."""

    RESPONSE = "response_required"
    REMINDER = "reminder_required"


class Turn(StrEnum):
    """Whose turn began; the names are those of the LLM websocket."""

    AGENT = "agent_turn"
    USER = "user_turn"


@dataclass(frozen=True, slots=True)
class ReplyWanted:
    """Ask for the reply `response_id`; every older request is void."""

    response_id: int
    kind: ReplyKind
    transcript: Sequence[Utterance]
    with_tool_calls: Sequence[TranscriptItem]


@dataclass(frozen=True, slots=True)
class TranscriptChanged:
    """For information: the transcript moved or a turn began. Only the newest matters."""

    transcript: Sequence[Utterance]
    with_tool_calls: Sequence[TranscriptItem]
    turntaking: Turn | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Text to speak as part of reply `response_id`; 0 is the begin message.

    With `interrupt_id` it belongs to an agent interrupt instead, and `response_id` is ignored.
    The signals take effect after all of the reply has been spoken, and are void when it is interrupted.
    """

    response_id: int
    text: str
    is_complete: bool
    interrupt_id: int | None = None
    no_interruption_allowed: bool | None = None
    end_call: bool = False
    transfer_number: str | None = None
    digit_to_press: str | None = None


@dataclass(frozen=True, slots=True)
class ForwardMetadata:
    """Pass any JSON on to the caller's client."""

    metadata: Any


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """Change turn taking, or how fast the agent speaks, in mid-call; None leaves a value as it is.

    What is queued already is spoken at the speed it was queued with.
    """

    responsiveness: float | None = None
    interruption_sensitivity: float | None = None
    reminder_trigger_ms: float | None = None
    reminder_max_count: int | None = None
    end_call_after_silence_ms: int | None = None
    max_call_duration_ms: int | None = None
    """Counted from the beginning of the call."""
    voice_speed: float | None = None


@dataclass(frozen=True, slots=True)
class ChangeAgent:
    """Another agent goes on with the call, with what it speaks by and listens for; None leaves a value as it is.

    Text queued before is spoken in the voice it was queued with; what the caller is saying is heard to its end in the
    language it began in.
    """

    agent_id: str
    agent_version: int
    agent_name: str | None = None
    voice: VoiceSettings | None = None
    language: str | None = None
    rules: ChangeRules | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """The responder ends the call at once: its socket was closed with code 1000."""


Act = (
    Say
    | ToolInvoked
    | ToolReturned
    | ForwardMetadata
    | ChangeRules
    | ChangeAgent
    | ModelUsed
    | VariablesCollected
    | NodeEntered
    | StateEntered
    | HangUp
    | RoundTrip
    | Traffic
)


class Responder(Protocol):
    """Who decides what the agent says, for one call."""

    def acts(self) -> AsyncIterator[Act]:
        """Open the connection and give what the responder does until the call ends or `close()`.

        Raises LlmOpenFailed, LlmConnectionLost, LlmRuntimeFailed or LlmCorruptPayload when the connection
        cannot be had or kept.
        """
        ...

    async def work(self) -> None:
        """Run what goes on beside `acts()`, in a task of the session's; returns at once where there is nothing.

        What fails here is raised by `acts()`.
        """
        ...

    async def send(self, event: ReplyWanted | TranscriptChanged) -> None:
        """Hand over an event; never waits for the network.

        The queue is bounded: TranscriptChanged is dropped first, oldest first.
        """
        ...

    async def close(self) -> None:
        """Say goodbye (close code 1000); `acts()` then ends."""
        ...


# --- the record -------------------------------------------------------------------------------


class Journal(Protocol):
    """The durable, append-only event list of one call."""

    def append(self, seq: int, at_ms: float, event: bytes) -> None:
        """Queue one encoded event for the next group commit; never waits."""
        ...

    async def committed(self, *, is_urgent: bool = True) -> None:
        """Wait until every event appended so far is on disk. Raises StorageError.

        What is not urgent does not hurry the commit: it comes within the time that entries linger anyway.
        """
        ...


class Tape(Protocol):
    """The recording of one call: two channels of PCM on the call's sample clock."""

    def write_caller(self, start_sample: int, pcm: bytes) -> None:
        """Lay caller audio at a sample position; gaps stay silent. Never waits."""
        ...

    def write_agent(self, start_sample: int, pcm: bytes) -> None:
        """Lay agent audio at a sample position. Never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Voices:
    """The speech engines one server offers."""

    vad: Callable[[], VoiceActivityDetector]
    """Makes a detector with its own state for each call."""
    stt: SpeechToText
    tts: TextToSpeech
    languages: frozenset[str] = frozenset({"en"})
    """Primary language subtags that `stt` understands."""
    spoken_languages: frozenset[str] = frozenset({"en"})
    """Those that `tts` speaks."""
    voice_ids: frozenset[str] = frozenset({"default"})
    """Voice names that `tts` knows."""


class Http(Protocol):
    """HTTP to addresses that users name: retold.outbound.Outbound, or a test's."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        max_bytes: int,
    ) -> HttpAnswer:
        """Ask once, following no redirect. Raises AddressRefused (hopeless) or ConnectFailed (may work later)."""
        ...
