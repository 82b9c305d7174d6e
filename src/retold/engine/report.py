"""Pure folds: timeline in, report out. Nothing here is measured; everything was already an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from retold.domain.latency import CallLatency, stats
from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import TranscriptItem, Utterance
from retold.engine import timeline as t
from retold.engine.transcript_fold import TranscriptFold


@dataclass(frozen=True, slots=True)
class CallReport:
    """What a call's events say about it."""

    reason: DisconnectionReason
    detail: str
    duration_ms: int
    utterances: tuple[Utterance, ...]
    items: tuple[TranscriptItem, ...]
    """The utterances with tool calls woven in at the word at which they happened."""
    latency: CallLatency
    tool_latencies_ms: Mapping[str, float]
    """From a tool's call to its result, by `tool_call_id`."""
    request_tokens: tuple[int, ...] = ()
    """Of each request to a language model, what it read and wrote together."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Dynamic variables collected in the conversation, as they were at its end."""


@dataclass(slots=True)
class ReplyTimes:
    """The moments of one reply on its way to the caller's ear; None where it never got there."""

    requested_ms: float | None = None
    speech_end_ms: float | None = None
    first_chunk_ms: float | None = None
    tts_requested_ms: float | None = None
    tts_received_ms: float | None = None
    started_ms: float | None = None
    tools_ms: float = 0.0
    """How long tools that this server ran for the reply kept its first chunk waiting."""

    @property
    def llm_ms(self) -> float | None:
        """From the request to the first speakable chunk, the time of tools left out; None when none came."""
        if self.requested_ms is None or self.first_chunk_ms is None:
            return None
        return self.first_chunk_ms - self.requested_ms - self.tools_ms


def _between(start_ms: float | None, end_ms: float | None) -> list[float]:
    return [end_ms - start_ms] if start_ms is not None and end_ms is not None else []


@dataclass(slots=True)
class LatencyFold:
    """Latency points of a call; feed it events in order."""

    replies: dict[int, ReplyTimes] = field(default_factory=dict[int, ReplyTimes])
    _asr: list[float] = field(default_factory=list[float])
    _rtt: list[float] = field(default_factory=list[float])
    _asked: ReplyTimes = field(default_factory=ReplyTimes)
    """The newest reply that was asked for, until its first chunk; then nobody's."""
    _tools: set[str] = field(default_factory=set[str])
    """The tools that run for it."""
    _work_ms: float = 0.0
    """Since then there has always been one."""

    def apply(self, event: t.AnyEvent) -> None:
        """Take one event; the first moment of each kind counts."""
        match event:
            case t.UserTranscribed(lag_ms=lag_ms, words=words) if words:
                self._asr.append(lag_ms)
            case t.RoundTripMeasured(rtt_ms=rtt_ms):
                self._rtt.append(rtt_ms)
            case t.ReplyRequested(response_id=response_id, speech_end_ms=speech_end_ms):
                self._asked = ReplyTimes(requested_ms=event.at_ms, speech_end_ms=speech_end_ms)
                self.replies[response_id] = self._asked
                self._tools.clear()
            case t.ToolCallStarted(tool_call_id=tool_call_id, tool_type=str()):
                self._work_ms = self._work_ms if self._tools else event.at_ms
                self._tools.add(tool_call_id)
            case t.ToolCallEnded(tool_call_id=tool_call_id) if tool_call_id in self._tools:
                self._tools.discard(tool_call_id)
                self._asked.tools_ms += 0.0 if self._tools else event.at_ms - self._work_ms
            case t.ReplyFirstChunk() | t.SpeechRequested() | t.SpeechReceived() | t.ReplyStarted():
                self._mark(event)
            case _:
                pass

    def _mark(self, event: t.ReplyFirstChunk | t.SpeechRequested | t.SpeechReceived | t.ReplyStarted) -> None:
        if event.interrupt_id is not None:
            return
        times = self.replies.setdefault(event.response_id, ReplyTimes())
        match event:
            case t.ReplyFirstChunk():
                times.first_chunk_ms = _first(times.first_chunk_ms, event.at_ms)
                self._answered(times, event.at_ms)
            case t.SpeechRequested():
                times.tts_requested_ms = _first(times.tts_requested_ms, event.at_ms)
            case t.SpeechReceived():
                times.tts_received_ms = _first(times.tts_received_ms, event.at_ms)
            case t.ReplyStarted():
                times.started_ms = _first(times.started_ms, event.at_ms)
            case _:
                assert_never(event)

    def _answered(self, times: ReplyTimes, at_ms: float) -> None:
        """From here on, no tool keeps this reply waiting."""
        if times is self._asked:
            times.tools_ms += at_ms - self._work_ms if self._tools else 0.0
            self._tools.clear()
            self._asked = ReplyTimes()

    def latency(self) -> CallLatency:
        """The `latency` object so far. e2e: one point per turn in which the agent answered the caller aloud."""
        replies = list(self.replies.values())
        return CallLatency(
            e2e=stats([ms for reply in replies for ms in _between(reply.speech_end_ms, reply.started_ms)]),
            asr=stats(self._asr),
            llm=stats([reply.llm_ms for reply in replies if reply.llm_ms is not None]),
            llm_websocket_network_rtt=stats(self._rtt),
            tts=stats([ms for reply in replies for ms in _between(reply.tts_requested_ms, reply.tts_received_ms)]),
        )


@dataclass(slots=True)
class ToolFold:
    """How long tools took, by `tool_call_id`; one that is called again under its id counts with its last result."""

    latencies_ms: dict[str, float] = field(default_factory=dict[str, float])
    _started_ms: dict[str, float] = field(default_factory=dict[str, float])

    def apply(self, event: t.AnyEvent) -> None:
        """Take one event."""
        match event:
            case t.ToolCallStarted(tool_call_id=tool_call_id):
                self._started_ms[tool_call_id] = event.at_ms
            case t.ToolCallEnded(tool_call_id=tool_call_id) if tool_call_id in self._started_ms:
                self.latencies_ms[tool_call_id] = event.at_ms - self._started_ms.pop(tool_call_id)
            case _:
                pass


@dataclass(slots=True)
class MindFold:
    """What the agent's mind used and found out; feed it events in order."""

    request_tokens: list[int] = field(default_factory=list[int])
    variables: dict[str, str] = field(default_factory=dict[str, str])

    def apply(self, event: t.AnyEvent) -> None:
        """Take one event."""
        match event:
            case t.ModelUsed(input_tokens=input_tokens, output_tokens=output_tokens):
                self.request_tokens.append(input_tokens + output_tokens)
            case t.VariablesCollected(values=values):
                self.variables |= values
            case _:
                pass


def _first(known_ms: float | None, at_ms: float) -> float:
    return at_ms if known_ms is None else known_ms


def fold(events: Iterable[t.AnyEvent], *, end_ms: float | None = None) -> CallReport:
    """Everything the record says of a call.

    `end_ms` is when it ended, by default when its end was first intended, else the time of its last event. The
    first EndIntended says why: what fails while a call is taken down is not its reason. Without one the call died with
    its process: error_retell.
    """
    transcript, latency, tools, mind = TranscriptFold(), LatencyFold(), ToolFold(), MindFold()
    end, last_ms = None, 0.0
    for event in events:
        transcript.apply(event)
        latency.apply(event)
        tools.apply(event)
        mind.apply(event)
        last_ms = max(last_ms, event.at_ms)
        if isinstance(event, t.EndIntended):
            end = end or event
    if end_ms is None:
        end_ms = end.at_ms if end else last_ms
    return CallReport(
        reason=end.reason if end else DisconnectionReason.ERROR_RETELL,
        detail=end.detail if end else "the server stopped in mid-call",
        duration_ms=round(end_ms),
        utterances=transcript.utterances(),
        items=transcript.items(),
        latency=latency.latency(),
        tool_latencies_ms=tools.latencies_ms,
        request_tokens=tuple(mind.request_tokens),
        variables=mind.variables,
    )
