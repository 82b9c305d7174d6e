"""Whether recording and record agree: length, drift between the channels, gaps, word times.

Two calls at once. In one the agent speaks without a pause while the caller clicks once a second: two click tracks whose
every step is known to the sample. In the other they take turns.
"""

import io
import random
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from brain import WORDS_PER_SENTENCE
from caller import CHUNK_MS, Caller, Sound
from conversation import TONE_STEP_MS, Talk, turn
from figures import Figure, Scale
from retold.engine.caller_clock import SETTLE_MS
from rig import Rig, rig

RATE_HZ = 16_000
SPEECH_MS, REPLY_WORDS = 400, 4
_AUDIBLE = 100
_QUIET_SAMPLES = 160
"""10 ms: shorter than any gap between two sounds, longer than what a tone spends around zero."""


@dataclass(frozen=True, slots=True)
class Taped:
    """A finished call and its two channels."""

    record: dict[str, Any]
    caller: NDArray[np.int16]
    agent: NDArray[np.int16]

    @property
    def length_error_ms(self) -> float:
        """Recording against `duration_ms`."""
        return abs(len(self.caller) * 1000 / RATE_HZ - self.record["duration_ms"])


async def measure(scale: Scale) -> list[Figure]:
    """One minute; ten with `--long`."""
    seconds = scale.pick(60, 6, 600)
    tapes: dict[str, Taped] = {}
    async with rig() as ready:

        async def clicking() -> None:
            agent_id = await ready.agent(begin_words=seconds * 1000 // TONE_STEP_MS)
            tapes["clicks"] = await _taped(ready, agent_id, lambda caller: _click(caller, seconds))

        async def talking() -> None:
            agent_id = await ready.agent(reply_words=REPLY_WORDS)
            tapes["turns"] = await _taped(ready, agent_id, lambda caller: _take_turns(caller, seconds))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clicking)
            tasks.start_soon(talking)
    clicks, turns = tapes["clicks"], tapes["turns"]
    gaps_off_ms = _gaps_off_ms(turns)
    name = f"{seconds} s"
    return [
        Figure(f"recording against duration_ms, {name}", max(clicks.length_error_ms, turns.length_error_ms), "ms", 20),
        Figure(f"drift of the caller's channel, {name}", _caller_drift_samples(clicks), "samples", 0),
        Figure(f"drift of the agent's channel, {name}", _agent_drift_samples(clicks), "samples", 0),
        Figure(f"e2e_latency against the recording, {len(gaps_off_ms)} turns: max", max(gaps_off_ms), "ms", 30),
        Figure("agent word times against the recording: max", max(_words_off_ms(turns)), "ms", 40),
        Figure("the same in one long reply: max", max(_words_off_ms(clicks)), "ms", 40),
    ]


async def _taped(ready: Rig, agent_id: str, act: Callable[[Caller], Awaitable[None]]) -> Taped:
    call_id = await ready.register(agent_id, Sound())
    async with ready.join(call_id, Sound()) as caller:
        await act(caller)
    record = await ready.record(call_id)
    answer = await ready.http.get(record["recording_multi_channel_url"])
    with wave.open(io.BytesIO(answer.raise_for_status().content)) as recording:
        assert (recording.getframerate(), recording.getnchannels()) == (RATE_HZ, 2)
        samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 2)
    return Taped(record, samples[:, 0], samples[:, 1])


async def _click(caller: Caller, seconds: int) -> None:
    sound = Sound()
    second = [sound.click] + [sound.silence] * (1000 // CHUNK_MS - 1)
    # In its first second the server still sets right where the caller's count began; drift is what comes after.
    await anyio.sleep(1.5 * SETTLE_MS / 1000)
    await caller.play(second * seconds)
    await anyio.sleep(1)


async def _take_turns(caller: Caller, seconds: int) -> None:
    rng, talk = random.Random(4), Talk("")
    await anyio.sleep(0.5)
    with anyio.move_on_after(seconds - 3):
        while True:
            await turn(caller, talk, rng, speech_ms=SPEECH_MS, reply_words=REPLY_WORDS)
    await anyio.sleep(2)


def _sounds(channel: NDArray[np.int16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last samples of all sounds that silence parts."""
    loud = np.flatnonzero(np.abs(channel.astype(np.int32)) > _AUDIBLE)
    breaks = np.flatnonzero(np.diff(loud) > _QUIET_SAMPLES)
    return loud[np.concatenate(([0], breaks + 1))], loud[np.concatenate((breaks, [len(loud) - 1]))]


def _caller_drift_samples(tape: Taped) -> int:
    """By how much a click is off its second, at most."""
    clicks, _ = _sounds(tape.caller)
    return int(np.abs(clicks - clicks[0] - np.arange(len(clicks)) * RATE_HZ).max())


def _agent_drift_samples(tape: Taped) -> int:
    """By how much a word is off its place, at most; tones of one pitch are compared, for their edges are alike.

    A server that is starved for longer than the lead (100 ms) leaves a gap, which the caller hears too.
    """
    tones, _ = _sounds(tape.agent)
    order = np.arange(len(tones))
    pitch = order % WORDS_PER_SENTENCE
    return int(np.abs(tones - tones[pitch] - (order - pitch) * (RATE_HZ * TONE_STEP_MS // 1000)).max())


def _gaps_off_ms(tape: Taped) -> list[float]:
    """Each `e2e_latency` value against the silence between the caller's sound and the agent's next one."""
    _, ends = _sounds(tape.caller)
    starts, _ = _sounds(tape.agent)
    following = np.searchsorted(starts, ends)
    gaps_ms = [(starts[at] - end) * 1000 / RATE_HZ for end, at in zip(ends, following, strict=True) if at < len(starts)]
    told_ms = tape.record["latency"]["e2e"]["values"]
    return [abs(told - gap) for told, gap in zip(told_ms, gaps_ms, strict=False)]


def _words_off_ms(tape: Taped) -> list[float]:
    """Start and end of each agent word in the transcript against its tone; the last one may have been cut off."""
    starts, ends = _sounds(tape.agent)
    words = [word for part in tape.record["transcript_object"] if part["role"] == "agent" for word in part["words"]]
    assert abs(len(words) - len(starts)) <= 1, (len(words), len(starts))
    whole = min(len(words), len(starts)) - 1
    return [
        abs(word[edge] * 1000 - sample * 1000 / RATE_HZ)
        for word, start, end in zip(words[:whole], starts[:whole], ends[:whole], strict=True)
        for edge, sample in (("start", start), ("end", end))
    ]
