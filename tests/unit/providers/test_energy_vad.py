"""Voice activity by energy, on tones and noise."""

import numpy as np
import pytest

from retold.providers.energy_vad import EnergyVad

FRAME = 320


def frames(amplitude: float, *, ms: int, tone_hz: float | None = None) -> list[bytes]:
    count = ms // 20 * FRAME
    if tone_hz is None:
        wave = np.random.default_rng(1).normal(0, amplitude, count)
    else:
        wave = amplitude * np.sin(2 * np.pi * tone_hz * np.arange(count) / 16_000)
    pcm = (wave * 32_767).astype(np.int16).tobytes()
    return [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm), 2 * FRAME)]


def share_of_speech(vad: EnergyVad, fed: list[bytes]) -> float:
    probabilities = [vad.feed(frame) for frame in fed]
    assert all(0.0 <= probability <= 1.0 for probability in probabilities)
    return sum(probability > 0.5 for probability in probabilities) / len(probabilities)


@pytest.mark.parametrize("amplitude", [0.02, 0.1, 0.9])
def test_a_tone_is_speech_from_its_first_frame_for_long(amplitude: float) -> None:
    assert share_of_speech(EnergyVad(), frames(amplitude, ms=20_000, tone_hz=440)) == 1.0


def test_silence_is_not_speech_and_does_not_hide_what_follows() -> None:
    vad = EnergyVad()
    assert share_of_speech(vad, [bytes(2 * FRAME)] * 500) == 0.0
    assert share_of_speech(vad, frames(0.05, ms=500)) == 1.0
    assert share_of_speech(vad, [bytes(2 * FRAME)] * 50) == 0.0


def test_line_noise_is_learnt_and_speech_over_it_still_heard() -> None:
    vad = EnergyVad()
    share_of_speech(vad, frames(0.003, ms=5_000))
    assert share_of_speech(vad, frames(0.003, ms=2_000)) == 0.0
    assert share_of_speech(vad, frames(0.06, ms=1_000)) > 0.95


def test_an_empty_frame_is_silence() -> None:
    assert EnergyVad().feed(b"") < 0.01
