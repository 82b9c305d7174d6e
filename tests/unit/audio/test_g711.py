import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from retold.audio.native import audioop
from retold.audio.pcm import to_pcm, to_samples

EVERY_SAMPLE = np.arange(-32768, 32768)


@pytest.mark.parametrize(
    ("code", "sample"),
    [
        (0x00, -32124),
        (0x80, 32124),
        (0x7F, 0),
        (0xFF, 0),
        (0xFE, 8),
        (0xEF, 132),
        (0x0F, -16764),
        (0x10, -15996),
        (0x6F, -132),
    ],
    ids=hex,
)
def test_codes_of_the_standard_decode_to_its_levels(code: int, sample: int) -> None:
    assert to_samples(ulaw_to_pcm(bytes([code]))).tolist() == [sample]


@given(st.binary())
def test_every_code_but_negative_zero_survives_a_round_trip(codes: bytes) -> None:
    assert pcm_to_ulaw(ulaw_to_pcm(codes)) == codes.replace(b"\x7f", b"\xff")


def test_the_error_is_at_most_half_a_step_of_its_segment() -> None:
    decoded = to_samples(ulaw_to_pcm(pcm_to_ulaw(to_pcm(EVERY_SAMPLE)))).astype(int)
    magnitude = np.minimum(np.abs(EVERY_SAMPLE), 32635)
    step = 2.0 ** (np.floor(np.log2(magnitude + 3 + 132)) - 4)
    error = np.abs(decoded - np.sign(EVERY_SAMPLE) * magnitude)
    # The shift to 14 bits moves a sample by up to 3, maybe into the next segment.
    assert (error <= step / 2 + 3).all()


def test_louder_samples_never_decode_quieter() -> None:
    decoded = to_samples(ulaw_to_pcm(pcm_to_ulaw(to_pcm(EVERY_SAMPLE))))
    assert (np.diff(decoded.astype(int)) >= 0).all()


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(audioop.error, match="whole number of frames"):
        pcm_to_ulaw(b"\0")
