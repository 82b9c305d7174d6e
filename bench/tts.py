"""How fast the embedded voice is: load, first audio, processor time per second of speech, memory, loop hold-ups.

Run: `python bench/tts.py`; prints JSON with `--json`.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

import anyio

from retold.audio.pcm import duration_ms
from retold.ports import VoiceSettings
from retold.providers.local_tts import LocalTextToSpeech
from retold.settings import LocalSpeechSettings

TWELVE_WORDS = "Thank you for calling, I can book you in for Tuesday morning."
REPLY = (
    "We are open Monday to Friday from 8 AM to 5:30 PM. A cleaning costs $95.50 without insurance. "
    "Dr. Smith has time on Thursday at nine, or on Mar. 3. Which of these would suit you best?"
)


def resident_mb() -> float:
    """Memory of this process now."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - one read of a kernel file
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def first_audio_ms(tts: LocalTextToSpeech, text: str) -> float:
    """From the text to its first audio."""
    began = time.perf_counter()
    stream = tts.stream(text, VoiceSettings())
    await anext(stream)
    took_ms = (time.perf_counter() - began) * 1000
    async for _ in stream:
        pass
    return took_ms


async def real_time_factor(tts: LocalTextToSpeech, voice: str) -> float:
    """Processor seconds per second of speech."""
    began, audio_ms = time.process_time(), 0.0
    for _ in range(3):
        async for spoken in tts.stream(REPLY, VoiceSettings(voice)):
            audio_ms += duration_ms(spoken.pcm, spoken.sample_rate)
    return (time.process_time() - began) / (audio_ms / 1000)


async def longest_hold_up_ms(tts: LocalTextToSpeech) -> tuple[float, float]:
    """95th percentile and longest of what a sleep of 1 ms takes too long while sentences are made."""
    late_ms: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await anyio.sleep(0.001)
            late_ms.append((time.perf_counter() - began) * 1000 - 1)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for _ in range(5):
            await first_audio_ms(tts, REPLY)
        group.cancel_scope.cancel()
    return statistics.quantiles(late_ms, n=20)[-1], max(late_ms)


async def measure() -> dict[str, float]:
    """Every figure, in the unit its name says."""
    before_mb = resident_mb()
    began = time.perf_counter()
    tts = LocalTextToSpeech(LocalSpeechSettings())
    await tts.warm_up()
    ready_s = time.perf_counter() - began
    first = sorted([await first_audio_ms(tts, TWELVE_WORDS) for _ in range(15)])
    late_p95, late_max = await longest_hold_up_ms(tts)
    return {
        "load_and_first_sentence_s": ready_s,
        "first_audio_12_words_ms_p50": first[7],
        "first_audio_12_words_ms_max": first[-1],
        "first_audio_one_word_ms": await first_audio_ms(tts, "Yes."),
        "rtf_agent": await real_time_factor(tts, "agent"),
        "rtf_caller": await real_time_factor(tts, "caller"),
        "loop_late_ms_p95": late_p95,
        "loop_late_ms_max": late_max,
        "memory_added_mb": resident_mb() - before_mb,
        "memory_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    figures = anyio.run(measure)
    if options.json:
        json.dump(figures, sys.stdout)
        return
    for name, figure in figures.items():
        print(f"{name:32} {figure:10.3f}")


if __name__ == "__main__":
    main()
