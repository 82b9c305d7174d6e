"""Whole calls on the embedded speech stack over a telephone's sound (8 kHz mulaw), against what was really said.

Nothing is pinned to a core and nothing is scripted: two calls' worth of recorded people, and a dictation by the
synthetic caller whose word times are known to the millisecond.
"""

import difflib
import re
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from figures import Figure, Scale, quantile
from retold.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from retold.audio.resample import resample
from retold.audio.wav import read_wav
from retold.domain.transcript import Word
from retold.ports import VoiceSettings
from retold.providers.local_tts import LocalTextToSpeech
from retold.settings import LocalSpeechSettings
from support.audio_client import AudioClient
from support.customer import Customer, customer_of
from support.llm_server import Behaviour, Peer, llm_server
from support.recordings import installed_prompts
from support.server import running_server
from support.sound import Floats, TwoChannels, gap_before_ms, passages, position_ms, two_channels
from support.wer import WordErrors, total, word_errors

RATE_HZ = 8_000
EMBEDDED = {"RETOLD_VAD": "local", "RETOLD_STT": "local", "RETOLD_TTS": "local"}
PROMPTS_PER_CALL = 8
SILENCE_S = 1.6
"""Between two prompts: each is an utterance of its own."""
ANSWER = "I have written that down for you and will call you back tomorrow."
DICTATION = (
    "Hi, I'd like to book a cleaning for Tuesday.",
    "My name is Margaret and I am a new patient.",
    "I would prefer a time in the morning, if you have one.",
    "Could you also tell me what it costs without insurance?",
    "My daughter has a toothache since yesterday evening.",
    "We can come at any time on Thursday or on Friday.",
    "Please send the bill to my husband.",
    "Is there a place to park near your building?",
    "I have to take the bus, so nine is too early.",
    "Do you still have my old address in your files?",
    "Thank you, that was all I wanted to ask.",
    "Have a nice day and see you next week.",
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A passage of the caller as sent, and its words in milliseconds from its start."""

    ulaw: bytes
    words: tuple[Word, ...]

    @property
    def samples(self) -> Floats:
        """What the telephone makes of it."""
        return np.frombuffer(ulaw_to_pcm(self.ulaw), "<i2") / 32_768

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.ulaw) / RATE_HZ


@dataclass(frozen=True, slots=True)
class Held:
    """A finished call and its recording."""

    call: dict[str, Any]
    recording: TwoChannels


async def measure(scale: Scale) -> list[Figure]:
    """Recognition of recorded people, then word times, gaps and latency of a dictation."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "data", env=EMBEDDED) as server:
        async with customer_of(server) as customer:
            await _models_are_loaded(customer)
            dictation = await _dictation(customer, scale.pick(len(DICTATION), 3))
            return [*dictation, *await _prompts(customer, scale.pick(46, 4))]


async def _models_are_loaded(customer: Customer) -> None:
    with anyio.fail_after(60):
        while (await customer.http.get("/health/ready")).json()["speech"] != "ready":
            await anyio.sleep(0.1)


@asynccontextmanager
async def _call(customer: Customer, brain: Behaviour, held: list[Held]) -> AsyncGenerator[AudioClient]:
    """Speak on a call; it is added to `held` when it is over."""
    async with llm_server(brain) as llm:
        audio = {"audio_encoding": "mulaw", "sample_rate": RATE_HZ}
        call_id = await customer.register_call(await customer.make_agent(llm.url), **audio)
        async with customer.joined(call_id, rate_hz=RATE_HZ, is_mulaw=True) as caller:
            yield caller
        call = await customer.until(call_id, timeout_s=30)
    held.append(Held(call, two_channels(await customer.file(call["recording_multi_channel_url"]))))


# --- recorded people ------------------------------------------------------------------------------


async def _silent(peer: Peer) -> None:
    await peer.replies(0, "")
    async for frame in peer.socket:
        message = peer.hear(frame)
        if "response_id" in message:
            await peer.replies(message["response_id"], "")


async def _prompts(customer: Customer, count: int) -> list[Figure]:
    prompts = installed_prompts()[:count]
    if not prompts:
        return []
    errors: list[WordErrors] = []
    held: list[Held] = []
    for at in range(0, len(prompts), PROMPTS_PER_CALL):
        of_call = prompts[at : at + PROMPTS_PER_CALL]
        async with _call(customer, _silent, held) as caller:
            await anyio.sleep(1)
            for prompt in of_call:
                clip = read_wav(prompt.wav)
                ulaw = pcm_to_ulaw(resample(clip.pcm, clip.sample_rate, RATE_HZ))
                caller.say(ulaw)
                await anyio.sleep(len(ulaw) / RATE_HZ + SILENCE_S)
            await anyio.sleep(1)
        heard = " ".join(item["content"] for item in held[-1].call["transcript_object"])
        errors.append(word_errors(" ".join(prompt.text for prompt in of_call), heard))
    name = f"recorded telephone prompts, {len(prompts)} in {len(held)} calls"
    lengths = [abs(one.recording.length_ms - one.call["duration_ms"]) for one in held]
    return [
        Figure(f"{name}: word error rate", 100 * total(errors).rate, "%", at_most=6),
        Figure(f"{name}: recording against duration_ms", max(lengths), "ms", at_most=20),
    ]


# --- a dictation ----------------------------------------------------------------------------------


async def _clerk(peer: Peer) -> None:
    await peer.replies(0, "")
    async for frame in peer.socket:
        message = peer.hear(frame)
        if message["interaction_type"] == "response_required":
            await peer.replies(message["response_id"], ANSWER)


async def _dictation(customer: Customer, count: int) -> list[Figure]:
    voice = LocalTextToSpeech(LocalSpeechSettings())
    said = [await _spoken(voice, text, "caller") for text in DICTATION[:count]]
    held: list[Held] = []
    async with _call(customer, _clerk, held) as caller:
        await anyio.sleep(1)
        for passage in said:
            caller.say(passage.ulaw)
            await anyio.sleep(passage.seconds)
            await _heard_out(caller)
    [one] = held
    user = _user_errors_ms(one, said)
    agent = _agent_errors_ms(one, await _spoken(voice, ANSWER, "agent"))
    latency, off = _latency_errors_ms(one)
    words = sum(len(passage.words) for passage in said)
    return [
        Figure(
            f"user word times, {len(user) // 2} of {words} words: median error", quantile(user, 0.5), "ms", at_most=80
        ),
        Figure("user word times: p95 error", quantile(user, 0.95), "ms", at_most=200),
        Figure(f"agent word times, {len(agent) // 2} words: largest error", max(agent), "ms", at_most=40),
        Figure(f"e2e latency against the recording, {len(off)} turns: largest error", max(off), "ms", at_most=30),
        Figure(f"e2e latency, {len(latency)} turns: p50", quantile(latency, 0.5), "ms", at_most=700),
        Figure("e2e latency: p95", quantile(latency, 0.95), "ms", at_most=1100),
        Figure("asr latency: p50", one.call["latency"]["asr"]["p50"], "ms"),
        Figure("tts latency: p50", one.call["latency"]["tts"]["p50"], "ms"),
        Figure(
            "dictation: recording against duration_ms",
            abs(one.recording.length_ms - one.call["duration_ms"]),
            "ms",
            at_most=20,
        ),
    ]


async def _heard_out(caller: AudioClient, timeout_s: float = 15) -> None:
    """Wait until the agent has answered and been silent for a second."""
    came = len(caller.audio)
    with anyio.fail_after(timeout_s):
        while True:
            await anyio.sleep(0.1)
            loud = [at for at, chunk in caller.audio[came:] if np.any(np.frombuffer(ulaw_to_pcm(chunk), "<i2") > 300)]
            if loud and time.monotonic() - loud[-1] > 1:
                return


async def _spoken(tts: LocalTextToSpeech, text: str, voice: str) -> Spoken:
    pcm, words, rate_hz = bytearray(), list[Word](), RATE_HZ
    stream: Any = tts.stream(text, VoiceSettings(voice))
    async with aclosing(stream) as pieces:
        async for piece in pieces:
            pcm += piece.pcm
            words += piece.words
            rate_hz = piece.sample_rate
    return Spoken(pcm_to_ulaw(resample(bytes(pcm), rate_hz, RATE_HZ)), tuple(words))


def _user_errors_ms(one: Held, said: Sequence[Spoken]) -> list[float]:
    """Start and end of every word that was heard right, against where it lies in the recording of the caller."""
    known = [word for passage in said for word in _placed(passage, one.recording.caller)]
    heard = [word for item in one.call["transcript_object"] if item["role"] == "user" for word in item["words"]]
    return _errors_ms(known, heard)


def _agent_errors_ms(one: Held, answer: Spoken) -> list[float]:
    """The same for the agent, whose recording is cut into its answers."""
    answers = [item["words"] for item in one.call["transcript_object"] if item["role"] == "agent"]
    sounds = passages(one.recording.agent, RATE_HZ)
    errors: list[float] = []
    for words, sound in zip(answers, sounds, strict=True):
        alone = one.recording.agent.copy()
        alone[: max(0, int((sound.start_ms - 100) * RATE_HZ / 1000))] = 0
        alone[int((sound.end_ms + 100) * RATE_HZ / 1000) :] = 0
        errors += _errors_ms(_placed(answer, alone), words)
    return errors


def _placed(passage: Spoken, channel: Floats) -> list[Word]:
    at_ms = position_ms(passage.samples, channel, RATE_HZ)
    return [Word(word.text, at_ms + word.start_ms, at_ms + word.end_ms) for word in passage.words]


def _errors_ms(known: Sequence[Word], heard: Sequence[dict[str, Any]]) -> list[float]:
    matcher = difflib.SequenceMatcher(
        None, [_plain(word.text) for word in known], [_plain(word["word"]) for word in heard], autojunk=False
    )
    errors: list[float] = []
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            word, shown = known[block.a + offset], heard[block.b + offset]
            errors += [abs(shown["start"] * 1000 - word.start_ms), abs(shown["end"] * 1000 - word.end_ms)]
    return errors


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word.lower())


def _latency_errors_ms(one: Held) -> tuple[list[float], list[float]]:
    """The stored values, and how far each is from the gap in the recording."""
    stored: list[float] = one.call["latency"]["e2e"]["values"]
    gaps = [gap_before_ms(one.recording, sound.start_ms) for sound in passages(one.recording.agent, RATE_HZ)]
    return stored, [abs(value - gap) for value, gap in zip(stored, gaps, strict=True)]
