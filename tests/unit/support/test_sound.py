"""The ruler that recordings are measured with."""

import io
import wave

import numpy as np
import pytest

from support.sound import gap_before_ms, passages, position_ms, speech_end_ms, two_channels

RATE_HZ = 8_000


def tones(*spans_ms: tuple[int, int], length_ms: int = 4_000) -> np.ndarray:
    channel = np.zeros(length_ms * RATE_HZ // 1000)
    for start, end in spans_ms:
        at = np.arange((end - start) * RATE_HZ // 1000)
        channel[start * RATE_HZ // 1000 :][: len(at)] = 0.3 * np.cos(2 * np.pi * 440 * at / RATE_HZ)
    return channel


def wav(caller: np.ndarray, agent: np.ndarray) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((2, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((np.stack((caller, agent), axis=1) * 32_767).astype("<i2").tobytes())
    return data.getvalue()


def test_edges_of_sound_are_found_to_the_sample_and_short_pauses_bridged() -> None:
    found = passages(tones((500, 900), (1_200, 1_500), (2_500, 3_000)), RATE_HZ)
    assert [(p.start_ms, p.end_ms) for p in found] == [
        (500, pytest.approx(1_500, abs=0.5)),
        (2_500, pytest.approx(3_000, abs=0.5)),
    ]
    assert passages(np.zeros(100), RATE_HZ) == []


def test_a_faint_tail_is_not_speech() -> None:
    channel = 3 * tones((500, 900)) + 0.015 * tones((900, 1_100))
    assert speech_end_ms(channel, RATE_HZ, before_ms=2_000) == pytest.approx(900, abs=10)
    assert speech_end_ms(channel, RATE_HZ, before_ms=700) == pytest.approx(700, abs=10)


def test_the_gap_is_that_between_the_callers_last_and_the_agents_first_sound() -> None:
    recording = two_channels(wav(tones((0, 500), (1_000, 1_500)), tones((2_100, 2_600))))
    assert recording.length_ms == 4_000
    [agent] = passages(recording.agent, RATE_HZ)
    assert gap_before_ms(recording, agent.start_ms) == pytest.approx(600, abs=10)


def test_a_clip_is_found_where_it_lies() -> None:
    clip = np.random.default_rng(1).normal(0, 0.1, 4_000)
    channel = np.random.default_rng(2).normal(0, 0.01, 40_000)
    channel[12_345 : 12_345 + 4_000] += clip
    assert position_ms(clip, channel, RATE_HZ) == 12_345 / 8
