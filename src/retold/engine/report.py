"""Pure folds: timeline in, report out. Nothing here is measured; everything was already an event."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from retold.domain.latency import CallLatency, stats
from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import (
    UNINTELLIGIBLE,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
    Word,
)
from retold.engine import timeline as t


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


@dataclass(slots=True)
class _Passage:
    """One utterance of the caller or one reply of the agent, while it grows."""

    start_ms: float
    utterance: Utterance


@dataclass(slots=True)
class TranscriptFold:
    """The transcript so far; feed it events in order, ask for it at any time."""

    _user: dict[int, _Passage] = field(default_factory=dict[int, _Passage])
    _agent: dict[tuple[int, int | None], _Passage] = field(default_factory=dict[tuple[int, int | None], _Passage])
    _tools: list[tuple[float, ToolCallInvocation | ToolCallResult]] = field(
        default_factory=list[tuple[float, ToolCallInvocation | ToolCallResult]]
    )

    def apply(self, event: t.AnyEvent) -> bool:
        """Take one event; True when the transcript changed."""
        match event:
            case t.UserTranscribed():
                self.hear(
                    event.utterance, event.words, onset_ms=event.onset_ms, is_unintelligible=event.is_unintelligible
                )
            case t.WordsPlayed():
                self._play(event)
            case t.ToolCallStarted(tool_call_id=tool_call_id, name=name, arguments=arguments):
                self._tools.append((event.at_ms, ToolCallInvocation(tool_call_id, name, arguments)))
            case t.ToolCallEnded(tool_call_id=tool_call_id, content=content, successful=successful):
                self._tools.append((event.at_ms, ToolCallResult(tool_call_id, content, successful)))
            case _:
                return False
        return True

    def hear(
        self, utterance: int, words: Sequence[Word], *, onset_ms: float = 0.0, is_unintelligible: bool = False
    ) -> None:
        """Set the caller's words of one utterance; also used for words that are not final yet."""
        if not words and not is_unintelligible:
            if utterance in self._user and self._user[utterance].utterance.words:
                del self._user[utterance]
            return
        start_ms = words[0].start_ms if words else onset_ms
        content = " ".join(word.text for word in words) or UNINTELLIGIBLE
        self._user[utterance] = _Passage(start_ms, Utterance(role="user", words=tuple(words), content=content))

    def _play(self, event: t.WordsPlayed) -> None:
        key = (event.response_id, event.interrupt_id)
        known = self._agent.get(key)
        words = (known.utterance.words if known else ()) + event.words
        self._agent[key] = _Passage(
            words[0].start_ms,
            Utterance(
                role="agent",
                words=words,
                response_id=event.response_id,
                interrupt_id=event.interrupt_id,
                content=" ".join(word.text for word in words),
            ),
        )

    def utterances(self) -> tuple[Utterance, ...]:
        """Both sides in the order they began; what the caller said in one go is one utterance."""
        passages = sorted([*self._agent.values(), *self._user.values()], key=lambda passage: passage.start_ms)
        merged: list[Utterance] = []
        for passage in passages:
            following = passage.utterance
            if merged and merged[-1].role == following.role == "user":
                merged[-1] = _joined(merged[-1], following)
            else:
                merged.append(following)
        return tuple(merged)

    def items(self) -> tuple[TranscriptItem, ...]:
        """The utterances with each tool call where it happened: between two words, if need be."""
        items: list[TranscriptItem] = list(self.utterances())
        for at_ms, tool in self._tools:
            items = _woven(items, at_ms, tool)
        return tuple(items)


def _joined(first: Utterance, second: Utterance) -> Utterance:
    contents = [part.content for part in (first, second) if part.words] or [UNINTELLIGIBLE]
    return Utterance(role=first.role, words=first.words + second.words, content=" ".join(contents))


def _woven(
    items: Sequence[TranscriptItem], at_ms: float, tool: ToolCallInvocation | ToolCallResult
) -> list[TranscriptItem]:
    """Insert after the last word that began before `at_ms`; a passage that goes on after it is split there."""
    place = 0
    for index, item in enumerate(items):
        if not isinstance(item, Utterance) or (item.words and item.words[0].start_ms < at_ms):
            place = index + 1
    before, after = list(items[:place]), list(items[place:])
    last = before[-1] if before else None
    if isinstance(last, Utterance):
        spoken = sum(word.start_ms < at_ms for word in last.words)
        if 0 < spoken < len(last.words):
            before[-1] = _part(last, last.words[:spoken])
            return [*before, tool, _part(last, last.words[spoken:]), *after]
    return [*before, tool, *after]


def _part(utterance: Utterance, words: tuple[Word, ...]) -> Utterance:
    return Utterance(
        role=utterance.role,
        words=words,
        response_id=utterance.response_id,
        interrupt_id=utterance.interrupt_id,
        content=" ".join(word.text for word in words),
    )


@dataclass(slots=True)
class ReplyTimes:
    """The moments of one reply on its way to the caller's ear; None where it never got there."""

    requested_ms: float | None = None
    speech_end_ms: float | None = None
    first_chunk_ms: float | None = None
    tts_requested_ms: float | None = None
    tts_received_ms: float | None = None
    started_ms: float | None = None


def _between(start_ms: float | None, end_ms: float | None) -> list[float]:
    return [end_ms - start_ms] if start_ms is not None and end_ms is not None else []


@dataclass(slots=True)
class LatencyFold:
    """Latency points of a call; feed it events in order."""

    replies: dict[int, ReplyTimes] = field(default_factory=dict[int, ReplyTimes])
    _asr: list[float] = field(default_factory=list[float])
    _rtt: list[float] = field(default_factory=list[float])

    def apply(self, event: t.AnyEvent) -> None:
        """Take one event; the first moment of each kind counts."""
        match event:
            case t.UserTranscribed(lag_ms=lag_ms, words=words) if words:
                self._asr.append(lag_ms)
            case t.RoundTripMeasured(rtt_ms=rtt_ms):
                self._rtt.append(rtt_ms)
            case t.ReplyRequested(response_id=response_id, speech_end_ms=speech_end_ms):
                self.replies[response_id] = ReplyTimes(requested_ms=event.at_ms, speech_end_ms=speech_end_ms)
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
            case t.SpeechRequested():
                times.tts_requested_ms = _first(times.tts_requested_ms, event.at_ms)
            case t.SpeechReceived():
                times.tts_received_ms = _first(times.tts_received_ms, event.at_ms)
            case t.ReplyStarted():
                times.started_ms = _first(times.started_ms, event.at_ms)
            case _:
                assert_never(event)

    def latency(self) -> CallLatency:
        """The `latency` object so far. e2e: one point per turn in which the agent answered the caller aloud."""
        replies = list(self.replies.values())
        return CallLatency(
            e2e=stats([ms for reply in replies for ms in _between(reply.speech_end_ms, reply.started_ms)]),
            asr=stats(self._asr),
            llm=stats([ms for reply in replies for ms in _between(reply.requested_ms, reply.first_chunk_ms)]),
            llm_websocket_network_rtt=stats(self._rtt),
            tts=stats([ms for reply in replies for ms in _between(reply.tts_requested_ms, reply.tts_received_ms)]),
        )


def _first(known_ms: float | None, at_ms: float) -> float:
    return at_ms if known_ms is None else known_ms


def fold(events: Iterable[t.AnyEvent], *, end_ms: float | None = None) -> CallReport:
    """Everything the record says of a call.

    `end_ms` is when it ended, by default when its end was first intended, else the time of its last event. The
    first EndIntended says why: what fails while a call is taken down is not its reason. Without one the call died with
    its process: error_retell.
    """
    transcript, latency = TranscriptFold(), LatencyFold()
    end, last_ms = None, 0.0
    for event in events:
        transcript.apply(event)
        latency.apply(event)
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
    )
