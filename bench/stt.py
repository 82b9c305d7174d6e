"""Figures of the embedded recogniser: load, cost and time of passes, word errors, word times, latencies of a live call.

Run from the repository: `PYTHONPATH=tests .venv/bin/python bench/stt.py`. Takes about three minutes.
"""

import time
from collections.abc import Sequence

import anyio
import numpy as np

from retold.audio.resample import resample
from retold.audio.wav import read_wav
from retold.ports import SPEECH_RATE_HZ, SpeechAudio
from retold.providers.local_stt import LocalSpeechToText, load_whisper
from retold.providers.local_tts import LocalTextToSpeech
from retold.providers.local_vad import SileroVad
from retold.settings import LocalSpeechSettings
from support.recognition import SENTENCES, KnownSpeech, final_words, telephone_speech, time_errors
from support.recordings import telephone_prompts
from support.speech_pieces import pieces
from support.wer import total, word_errors

SETTINGS = LocalSpeechSettings()
SILENCE_AT_END = bytes(SPEECH_RATE_HZ * 2)


async def main() -> None:
    """Print everything."""
    stt, vad, tts = LocalSpeechToText(SETTINGS), SileroVad(), LocalTextToSpeech(SETTINGS)
    begun = time.perf_counter()
    await stt.warm_up()
    print(f"load and first pass         {time.perf_counter() - begun:.2f} s")
    await vad.warm_up()
    known = [await telephone_speech(tts, sentence) for sentence in SENTENCES]
    _passes(known)
    await _word_errors(stt, vad)
    await _word_times(stt, vad, known)
    await _live(stt, vad, known)


def _passes(known: Sequence[KnownSpeech]) -> None:
    decoder = load_whisper(SETTINGS)
    samples = (np.frombuffer(b"".join(speech.pcm for speech in known), np.int16) / 32_768).astype(np.float32)
    for seconds in (1.0, 2.5, 5.0, 9.0):
        wall_ms, cpu_ms = [], []
        for _ in range(7):
            wall, cpu = time.perf_counter(), time.process_time()
            decoder.decode(samples[: int(seconds * SPEECH_RATE_HZ)], "en", is_final=True)
            wall_ms.append(1000 * (time.perf_counter() - wall))
            cpu_ms.append(1000 * (time.process_time() - cpu))
        print(f"final pass over {seconds:3} s       {np.median(wall_ms):.0f} ms, {np.median(cpu_ms):.0f} ms of a core")


async def _word_errors(stt: LocalSpeechToText, vad: SileroVad) -> None:
    errors = []
    for prompt in telephone_prompts():
        wav = read_wav(prompt.wav)
        pcm = resample(wav.pcm, wav.sample_rate, SPEECH_RATE_HZ)
        words = await final_words(stt, pieces(pcm, vad.detector()))
        errors.append(word_errors(prompt.text, " ".join(word.text for word in words)))
    found = total(errors)
    print(f"word error rate             {found.rate:.1%} ({found.errors} of {found.words} words)")


async def _word_times(stt: LocalSpeechToText, vad: SileroVad, known: Sequence[KnownSpeech]) -> None:
    errors_ms: list[float] = []
    for speech in known:
        errors_ms += time_errors(speech.words, await final_words(stt, pieces(speech.pcm, vad.detector())))
    print(f"word time errors            {_spread(np.abs(errors_ms).tolist())}")


async def _live(stt: LocalSpeechToText, vad: SileroVad, known: Sequence[KnownSpeech]) -> None:
    """One caller in real time: when words come, and what they cost."""
    first_ms, final_ms = list[float](), list[float]()
    cpu, spoken_s = time.process_time(), 0.0
    for speech in known:
        pcm = speech.pcm + SILENCE_AT_END
        spoken_s += len(speech.pcm) / 2 / SPEECH_RATE_HZ
        await _one_live(stt, list(pieces(pcm, vad.detector())), first_ms, final_ms)
    cost = (time.process_time() - cpu) / spoken_s
    print(f"first partial after onset   {_spread(first_ms)}")
    print(f"final after its pause mark  {_spread(final_ms)}")
    print(f"cost of a speaking caller   {cost:.2f} of a core")


async def _one_live(
    stt: LocalSpeechToText, audio: Sequence[SpeechAudio], first_ms: list[float], final_ms: list[float]
) -> None:
    send, receive = anyio.create_memory_object_stream[SpeechAudio](len(audio))
    begun, paused_at, has_partial = time.perf_counter(), list[float](), False
    onset = audio[0].start_ms + len(audio[0].pcm) / 32

    async def speak() -> None:
        with send:
            for piece in audio:
                await anyio.sleep(max(0.0, begun + (piece.start_ms + len(piece.pcm) / 32) / 1000 - time.perf_counter()))
                send.send_nowait(piece)
                if piece.is_pause:
                    paused_at.append(time.perf_counter())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
        with receive:
            async for transcribed in stt.stream(receive, "en"):
                now = time.perf_counter()
                if transcribed.is_final:
                    final_ms.append(1000 * (now - paused_at.pop(0)))
                elif not has_partial:
                    has_partial = True
                    first_ms.append(1000 * (now - begun) - onset)


def _spread(values: list[float]) -> str:
    median, p95 = np.percentile(values, [50, 95])
    return f"median {median:.0f} ms, p95 {p95:.0f} ms of {len(values)}"


if __name__ == "__main__":
    anyio.run(main)
