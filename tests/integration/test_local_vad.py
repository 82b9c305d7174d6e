"""The embedded voice activity network on speech, silence and several calls at a time."""

import time

import numpy as np
import pytest

from retold.providers.local_tts import LocalTextToSpeech
from retold.providers.local_vad import SileroDetector, SileroVad
from retold.providers.models import hibari, silero
from retold.settings import LocalSpeechSettings
from support.recognition import telephone_speech

MISSING = [model.name for model in (silero(), hibari()) if not model.is_present]
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.alone,
    pytest.mark.skipif(bool(MISSING), reason=f"the embedded speech stack is not installed: {', '.join(MISSING)}"),
]
FRAME_BYTES = 640
MEAN_FEED_MS = 2.0


def probabilities(detector: SileroDetector, pcm: bytes, frame_bytes: int = FRAME_BYTES) -> list[float]:
    return [detector.feed(pcm[at : at + frame_bytes]) for at in range(0, len(pcm), frame_bytes)]


async def test_speech_is_told_from_silence_and_hiss() -> None:
    vad = SileroVad()
    await vad.warm_up()
    speech = await telephone_speech(LocalTextToSpeech(LocalSpeechSettings()), "I would like to book a cleaning.")
    begin, end = (int(at / 20) for at in (speech.words[0].start_ms, speech.words[-1].end_ms))
    assert np.mean(np.array(probabilities(vad.detector(), speech.pcm)[begin:end]) > 0.5) > 0.85
    hiss = (np.random.default_rng(1).normal(0, 60, 32_000)).astype(np.int16).tobytes()
    for quiet in (bytes(64_000), hiss):
        assert max(probabilities(vad.detector(), quiet)) < 0.5


async def test_each_call_has_a_state_of_its_own_whatever_the_frame_size() -> None:
    vad = SileroVad()
    speech = await telephone_speech(LocalTextToSpeech(LocalSpeechSettings()), "Hello there.")
    alone = probabilities(vad.detector(), speech.pcm)[-1]
    one, other = vad.detector(), vad.detector()
    for at in range(0, len(speech.pcm), FRAME_BYTES):
        one.feed(speech.pcm[at : at + FRAME_BYTES])
        other.feed(bytes(FRAME_BYTES))
    assert one.feed(b"") == pytest.approx(alone)
    assert probabilities(vad.detector(), speech.pcm, 1_000)[-1] == pytest.approx(alone)


async def test_a_frame_costs_far_less_than_it_lasts() -> None:
    vad = SileroVad()
    await vad.warm_up()
    detector = vad.detector()
    detector.feed(bytes(FRAME_BYTES * 10))
    begun = time.process_time()
    probabilities(detector, bytes(FRAME_BYTES * 200))
    assert (time.process_time() - begun) / 200 * 1000 < MEAN_FEED_MS
