"""Calls in which the caller again and again speaks over a long reply; what really came out of the loudspeaker.

The scripted voice speaks each word as a tone of 200 ms and a gap of 40 ms, so what was played says which words
were heard. The scripted ear hears "mhm stop that please." and the "mhm" first: by words alone the agent would go on
for 300 ms, so what stops it is the default rule for sound, as with real recognition.
"""

import random
from dataclasses import dataclass

import anyio
import numpy as np

from brain import text_of
from caller import Caller, Said, Sound
from retold.transports.playback import PlaybackBuffer
from rig import Rig

INTERRUPTING = {"RETOLD_SCRIPTED__STT_TEXTS": "mhm stop that please."}
SPEECH_MS = 700
REPLY_WORDS = 48
LATEST_S = 8.0
_QUIET_MS = 10
_HALF_TONE_MS = 100
_AUDIBLE = 300


@dataclass(frozen=True, slots=True)
class Interruption:
    """One reply that was cut off; `stopped_ms` from the caller's first sample to the agent's last sign."""

    stopped_ms: float
    heard_words: int
    recorded: tuple[str, ...]
    """The words of this reply in the transcript."""
    spoken: tuple[str, ...]
    """All words of the reply."""

    @property
    def words_off(self) -> int:
        """By how many words the transcript differs from what was heard; any other word than the reply's counts too."""
        wrong = sum(word != real for word, real in zip(self.recorded, self.spoken, strict=False))
        return abs(len(self.recorded) - self.heard_words) + wrong


class Loudspeaker:
    """Plays what one reply sends, and notes when sending stopped."""

    def __init__(self, caller: Caller, rate_hz: int) -> None:
        self.buffer = PlaybackBuffer(rate_hz)
        self.last_sign_s = 0.0
        caller.on_audio = self._audio
        caller.on_clear = self._clear

    def _audio(self, at_s: float, chunk: bytes) -> None:
        self.buffer.push(at_s * 1000, chunk)
        self.last_sign_s = at_s

    def _clear(self, at_s: float) -> None:
        self.buffer.clear(at_s * 1000)
        self.last_sign_s = at_s

    def words(self) -> int:
        """How many tones were heard, at least half of each."""
        pcm = b"".join(run.pcm for run in self.buffer.runs())
        slot = self.buffer.sample_rate * _QUIET_MS // 1000
        samples = np.frombuffer(pcm, "<i2").astype(np.int32)
        slots = np.abs(samples[: len(samples) // slot * slot]).reshape(-1, slot).max(axis=1) > _AUDIBLE
        edges = np.flatnonzero(np.diff(np.concatenate(([0], slots.astype(np.int8), [0]))))
        lengths_ms = (edges[1::2] - edges[::2]) * _QUIET_MS
        return int((lengths_ms >= _HALF_TONE_MS).sum())


async def interrupt(rig: Rig, calls: int, each: int, *, seed: int) -> list[Interruption]:
    """This many calls at a time with this many interruptions each, at random moments of the replies."""
    agent_id = await rig.agent(begin_words=REPLY_WORDS, reply_words=REPLY_WORDS)
    cuts: list[Interruption] = []

    async def call(number: int) -> None:
        rng, sound = random.Random(seed * 1000 + number), Sound()
        await anyio.sleep(rng.uniform(0, 1 if calls > 1 else 0))
        call_id = await rig.register(agent_id, sound)
        cut: list[tuple[Said, Loudspeaker]] = []
        async with rig.join(call_id, sound) as caller:
            for _ in range(each):
                loudspeaker = Loudspeaker(caller, sound.rate_hz)
                await caller.answer()
                await anyio.sleep(rng.uniform(0.3, LATEST_S))
                cut.append((await caller.say(SPEECH_MS), loudspeaker))
        cuts.extend(_compared(cut, await rig.record(call_id)))

    async with anyio.create_task_group() as tasks:
        for number in range(calls):
            tasks.start_soon(call, number)
    return cuts


def _compared(cut: list[tuple[Said, Loudspeaker]], record: dict[str, list[dict[str, object]]]) -> list[Interruption]:
    recorded = " ".join(str(part["content"]) for part in record["transcript_object"] if part["role"] == "agent").split()
    return [
        Interruption(
            stopped_ms=(loudspeaker.last_sign_s - said.onset_s) * 1000,
            heard_words=loudspeaker.words(),
            recorded=tuple(word for word in recorded if word.startswith(f"r{reply}w")),
            spoken=tuple(text_of(reply, REPLY_WORDS).split()),
        )
        for reply, (said, loudspeaker) in enumerate(cut)
    ]
