"""What the caller really sent and heard, on one clock; collected during the call, rendered after it.

Times are milliseconds since the caller's microphone opened; `zero_wall_ms` is the wall time of that.
"""

from dataclasses import dataclass, field
from typing import Any

from retold.audio.pcm import duration_ms, first_audible, interleave, last_audible, silence
from retold.audio.wav import encode_wav
from retold.caller.agent_voice import AUDIBLE_DBFS, AgentVoice
from retold.caller.voice import Passage
from retold.transports.playback import PlaybackBuffer


@dataclass(frozen=True, slots=True)
class SentPassage:
    """A passage and when its first sample was sent; `sent_ms` of it left before the call was over."""

    passage: Passage
    start_ms: float
    sent_ms: float

    def as_json(self) -> dict[str, Any]:
        """Times of the passage, of its audible part and of its words."""
        pcm, rate = self.passage.pcm, self.passage.sample_rate
        first, last = first_audible(pcm, AUDIBLE_DBFS), last_audible(pcm, AUDIBLE_DBFS)
        end_ms = self.start_ms + self.sent_ms
        shape: dict[str, Any] = {
            "step": self.passage.step,
            "start_ms": _ms(self.start_ms),
            "end_ms": _ms(end_ms),
            "is_complete": self.sent_ms >= self.passage.duration_ms - 0.001,
        }
        if first is not None and last is not None:
            shape["speech_start_ms"] = _ms(min(self.start_ms + first * 1000 / rate, end_ms))
            shape["speech_end_ms"] = _ms(min(self.start_ms + (last + 1) * 1000 / rate, end_ms))
        if self.passage.path is not None:
            shape["file"] = str(self.passage.path)
        if self.passage.text is not None:
            shape["text"] = self.passage.text
            shape["words"] = [
                {
                    "word": word.text,
                    "start_ms": _ms(self.start_ms + word.start_ms),
                    "end_ms": _ms(self.start_ms + word.end_ms),
                }
                for word in self.passage.words
            ]
        return shape


@dataclass(slots=True)
class CallerTape:
    """The caller's side of one call."""

    call_id: str
    sample_rate: int
    zero_wall_ms: int = 0
    ended_ms: float = 0.0
    close_code: int | None = None
    close_reason: str = ""
    complaint: str = ""
    """What the agent failed to do, in words; empty when every wait was met."""
    steps_left: int = 0
    max_late_ms: float = 0.0
    """The most that a microphone chunk was sent after its time."""
    sent: list[SentPassage] = field(default_factory=list[SentPassage])
    frames_sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    texts_received: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Every text frame but `clear`, JSON ones by their event type only: their content is in the call object."""
    cleared: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    latencies: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    playback: PlaybackBuffer = field(init=False)
    agent: AgentVoice = field(init=False)

    def __post_init__(self) -> None:
        self.playback = PlaybackBuffer(self.sample_rate)
        self.agent = AgentVoice(self.sample_rate)

    def as_json(self) -> dict[str, Any]:
        """The content of caller.json."""
        return {
            "call_id": self.call_id,
            "sample_rate": self.sample_rate,
            "zero_wall_ms": self.zero_wall_ms,
            "ended_ms": _ms(self.ended_ms),
            "close": {"code": self.close_code, "reason": self.close_reason},
            "complaint": self.complaint,
            "steps_left": self.steps_left,
            "max_late_ms": _ms(self.max_late_ms),
            "sent": [passage.as_json() for passage in self._sent()],
            "frames_sent": self.frames_sent,
            "texts_received": self.texts_received,
            "agent_speech": [
                {"start_ms": _ms(start), "end_ms": _ms(end)} for start, end in self.agent.runs(self.ended_ms)
            ],
            "agent_audio": [
                {"start_ms": _ms(run.start_ms), "end_ms": _ms(run.end_ms)} for run in self.playback.runs(self.ended_ms)
            ],
            "cleared": self.cleared,
            "latencies": self.latencies,
        }

    def as_wav(self) -> bytes:
        """Two channels on the caller's clock: left what was sent, right what was heard."""
        left = self._lay([(sent.start_ms, sent.passage.pcm) for sent in self._sent()])
        right = self._lay([(run.start_ms, run.pcm) for run in self.playback.runs(self.ended_ms)])
        return encode_wav(interleave(left, right), self.sample_rate, channels=2)

    def _sent(self) -> list[SentPassage]:
        """The passages, the last one cut where the call was over."""
        return [
            SentPassage(sent.passage, sent.start_ms, min(sent.sent_ms, max(self.ended_ms - sent.start_ms, 0)))
            for sent in self.sent
        ]

    def _lay(self, pieces: list[tuple[float, bytes]]) -> bytes:
        track = bytearray(silence(int(self.ended_ms * self.sample_rate / 1000)))
        for start_ms, pcm in pieces:
            at = round(start_ms * self.sample_rate / 1000) * 2
            fits = pcm[: max(len(track) - at, 0)]
            track[at : at + len(fits)] = fits
        return bytes(track)


def sent_now(passage: Passage, start_ms: float) -> SentPassage:
    """A passage that begins at `start_ms` and will be sent in full if the call lasts."""
    return SentPassage(passage, start_ms, duration_ms(passage.pcm, passage.sample_rate))


def _ms(value: float) -> float:
    return round(value, 3)
