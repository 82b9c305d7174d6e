"""Whole conversations on virtual time: `user.says("hello", at_s=0.1)`, run it, read the record."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import numpy as np
from numpy.typing import NDArray

from retold.clock import CallClock, SystemClock
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.public_log import public_log
from retold.engine.report import CallReport, fold
from retold.engine.rules import Rules
from retold.engine.session import CallSession
from retold.ports import Responder, SpeechAudio, SpeechToText, TextToSpeech, Transcribed, Voices, VoiceSettings
from retold.providers.energy_vad import EnergyVad
from retold.providers.scripted import TONE_GAP_MS, TONE_MS, ScriptedTextToSpeech
from retold.responders.scripted import Chunk, Scripted, ScriptedReply, ToolCall
from retold.settings import ScriptedSettings
from retold.storage.journal import MemoryJournal
from retold.transports.loopback import LoopbackTransport
from support.virtual_time import VirtualClock

RATE_HZ = 16_000
WORD_MS = TONE_MS + TONE_GAP_MS


def reply(*texts: str, end_call: bool = False, no_interruption: bool | None = None) -> ScriptedReply:
    """A reply whose chunks come at once."""
    return ScriptedReply([Chunk(text) for text in texts], end_call=end_call, no_interruption_allowed=no_interruption)


@dataclass
class ArrayTape:
    """ports.Tape in memory."""

    seconds: int = 700
    caller: NDArray[np.int16] = field(init=False)
    agent: NDArray[np.int16] = field(init=False)
    length: int = 0

    def __post_init__(self) -> None:
        self.caller = np.zeros(self.seconds * RATE_HZ, np.int16)
        self.agent = np.zeros(self.seconds * RATE_HZ, np.int16)

    def write_caller(self, start_sample: int, pcm: bytes) -> None:
        self._write(self.caller, start_sample, pcm)

    def write_agent(self, start_sample: int, pcm: bytes) -> None:
        self._write(self.agent, start_sample, pcm)

    def _write(self, channel: NDArray[np.int16], start: int, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, "<i2")
        channel[start : start + len(samples)] = samples
        self.length = max(self.length, start + len(samples))

    def is_loud(self, channel: str, from_ms: float, to_ms: float) -> bool:
        """Whether anything sounds between two moments."""
        samples: NDArray[np.int16] = getattr(self, channel)
        return bool(np.any(np.abs(samples[int(from_ms * 16) : int(to_ms * 16)]) > 300))


@dataclass
class KnownWords:
    """ports.SpeechToText that knows what the user says and when: words come from the table, not from the sound."""

    words: list[Word]
    final_ms: float = 150.0

    async def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncIterator[Transcribed]:  # noqa: ARG002 - words are given
        utterance, since_ms, shown = -1, 0.0, 0
        async for piece in audio:
            if piece.utterance != utterance:
                utterance, since_ms, shown = piece.utterance, piece.start_ms, 0
            until_ms = piece.start_ms + len(piece.pcm) / 2 / 16
            heard = tuple(word for word in self.words if since_ms <= word.start_ms and word.end_ms <= until_ms + 40)
            if piece.is_pause:
                await anyio.sleep(self.final_ms / 1000)
                yield Transcribed(utterance, heard, is_final=True)
            elif len(heard) > shown:
                shown = len(heard)
                yield Transcribed(utterance, heard, is_final=False)


@dataclass
class Dialogue:
    """One call between a scripted caller and a scripted agent; make it inside the test's event loop."""

    replies: Sequence[ScriptedReply] = ()
    begin: ScriptedReply | None = None
    reminder: ScriptedReply | None = None
    rules: Rules = field(default_factory=Rules)
    stores_sensitive_data: bool = True
    tts: TextToSpeech = field(default_factory=lambda: ScriptedTextToSpeech(ScriptedSettings(tts_ms=50)))
    hears: Callable[[list[Word]], SpeechToText] = KnownWords
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    clock: VirtualClock | SystemClock = field(default_factory=VirtualClock)

    mind: Responder | None = None
    """Who answers instead of the scripted replies."""

    def __post_init__(self) -> None:
        self.words: list[Word] = []
        self.transport = LoopbackTransport(self.clock, sample_rate=RATE_HZ)
        self.tape = ArrayTape()
        self.timeline = t.Timeline(self.journal, stores_sensitive_data=self.stores_sensitive_data)
        self.responder = Scripted(self.replies, begin=self.begin, reminder=self.reminder)
        self.call_clock = CallClock(self.clock)
        self.session = CallSession(
            transport=self.transport,
            voices=Voices(vad=EnergyVad, stt=self.hears(self.words), tts=self.tts),
            responder=self.mind or self.responder,
            timeline=self.timeline,
            tape=self.tape,
            clock=self.call_clock,
            rules=self.rules,
            voice=VoiceSettings(),
            language="en-US",
        )

    # --- the caller

    def user_says(self, text: str, *, at_s: float) -> float:
        """Each word is a tone of 200 ms and a gap of 40 ms; gives when the last tone ends, in milliseconds."""
        start_ms = at_s * 1000
        for index, word in enumerate(text.split()):
            begin_ms = start_ms + index * WORD_MS
            self.words.append(Word(word, begin_ms, begin_ms + TONE_MS))
            self.transport.say(_tone(TONE_MS), begin_ms)
        return start_ms + len(text.split()) * WORD_MS - TONE_GAP_MS

    def user_coughs(self, *, at_s: float, ms: int = 250) -> None:
        """A sound without words."""
        self.transport.say(_tone(ms), at_s * 1000)

    def user_hangs_up(self, *, at_s: float) -> None:
        """The caller leaves."""
        self.transport.hang_up(at_s * 1000)

    # --- the call and its record

    async def run(self) -> CallReport:
        """Hold the call to its end."""
        self.timeline.append(t.CallConnected(at_ms=0.0, wall_ms=self.call_clock.started_wall_ms, sample_rate=RATE_HZ))
        await self.session.run()
        return self.report()

    def report(self) -> CallReport:
        return fold(self.timeline)

    def lines(self) -> list[str]:
        """The conversation so far as `agent: ...` and `user: ...`."""
        return [f"{utterance.role}: {utterance.content}" for utterance in self.report().utterances]

    def decisions(self) -> list[str]:
        return [event.decision for event in self.timeline if isinstance(event, t.TurnDecided)]

    def log(self) -> str:
        return "\n".join(public_log(list(self.timeline), self.call_clock.started_wall_ms))


def _tone(ms: int) -> bytes:
    samples = np.arange(RATE_HZ * ms // 1000)
    return (8000 * np.sin(2 * np.pi * 440 * samples / RATE_HZ)).astype("<i2").tobytes()


__all__ = ["Chunk", "Dialogue", "ScriptedReply", "ToolCall", "reply"]
