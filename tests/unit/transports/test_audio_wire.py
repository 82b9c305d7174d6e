"""Wire chunks of the audio websocket: what is sound, what is nonsense, and that nothing is lost between."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from retold.domain.call import AudioEncoding, CallAudio
from retold.errors import FrontendCorrupted
from retold.transports.audio_wire import AudioWire

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]
PCM_24K = CallAudio(encoding="s16le", sample_rate=24_000)
MULAW = CallAudio(encoding="mulaw", sample_rate=8_000)


@pytest.mark.parametrize("rate", RATES)
def test_chunk_of_250_ms_is_sound(rate: int) -> None:
    chunk = b"\x01\x02" * (rate // 4)
    assert AudioWire(CallAudio(sample_rate=rate)).decode(chunk) == chunk


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate > 8_000])
def test_chunk_over_250_ms_is_refused(rate: int) -> None:
    samples = max(rate // 4, 2_048) + 1
    with pytest.raises(FrontendCorrupted, match="send smaller chunks"):
        AudioWire(CallAudio(sample_rate=rate)).decode(bytes(samples * 2))


@pytest.mark.parametrize("encoding", ["s16le", "mulaw"])
def test_script_processor_of_the_js_sdk_may_send_2048_samples_at_8_khz(encoding: AudioEncoding) -> None:
    wire = AudioWire(CallAudio(encoding=encoding, sample_rate=8_000))
    width = 1 if encoding == "mulaw" else 2
    assert len(wire.decode(bytes(2_048 * width))) == 4_096
    with pytest.raises(FrontendCorrupted):
        wire.decode(bytes(2_049 * width))


@pytest.mark.parametrize(
    ("audio", "chunk", "remedy"),
    [
        pytest.param(PCM_24K, b"", "at least one sample", id="empty s16le"),
        pytest.param(MULAW, b"", "at least one sample", id="empty mulaw"),
        pytest.param(PCM_24K, b"\x00", "whole s16le samples", id="half a sample"),
        pytest.param(PCM_24K, bytes(481), "whole s16le samples", id="odd length"),
    ],
)
def test_nonsense_is_refused_with_its_remedy(audio: CallAudio, chunk: bytes, remedy: str) -> None:
    with pytest.raises(FrontendCorrupted, match=remedy):
        AudioWire(audio).decode(chunk)


def test_mulaw_is_decoded_and_encoded() -> None:
    ulaw = bytes(range(256))
    assert AudioWire(MULAW).decode(ulaw) == ulaw_to_pcm(ulaw)
    assert AudioWire(MULAW).encode(ulaw_to_pcm(ulaw)) == pcm_to_ulaw(ulaw_to_pcm(ulaw))


def test_aligned_audio_carries_text_and_base64() -> None:
    message = json.loads(AudioWire(PCM_24K).encode_aligned(b"\x01\x00\x02\x00", "grüß dich"))
    assert message == {"audio": base64.b64encode(b"\x01\x00\x02\x00").decode(), "text": "grüß dich"}


@given(samples=st.binary(max_size=4_000), cuts=st.lists(st.integers(1, 300), max_size=20))
def test_any_split_into_whole_samples_gives_the_same_sound(samples: bytes, cuts: list[int]) -> None:
    pcm = samples[: len(samples) // 2 * 2]
    wire, got, rest = AudioWire(CallAudio(sample_rate=8_000)), b"", pcm
    for cut in [*cuts, *[300] * 10]:
        piece, rest = rest[: cut * 2], rest[cut * 2 :]
        got += wire.decode(piece) if piece else b""
    assert got == pcm


@given(chunk=st.binary(max_size=20_000), rate=st.sampled_from(RATES), is_mulaw=st.booleans())
def test_any_bytes_are_sound_or_refused(chunk: bytes, rate: int, is_mulaw: bool) -> None:
    wire = AudioWire(MULAW if is_mulaw else CallAudio(sample_rate=rate))
    with contextlib.suppress(FrontendCorrupted):
        assert len(wire.decode(chunk)) % 2 == 0
