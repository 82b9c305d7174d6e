import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.audio.pcm import interleave, to_pcm, to_samples
from retold.audio.wav import HEADER_BYTES, WavWriter, decode_wav, encode_wav, read_wav
from retold.errors import UnreadableAudio

SAMPLES = np.array([0, 16384, -16384, 32767, -32768])


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def form(kind: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16, tail: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits) + tail)


def riff(*chunks: bytes) -> bytes:
    body = b"".join(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def packed(bits: int) -> bytes:
    if bits == 8:
        return ((SAMPLES >> 8) + 128).astype(np.uint8).tobytes()
    if bits == 24:
        return b"".join(struct.pack("<i", int(value) << 8)[:3] for value in SAMPLES)
    return (SAMPLES.astype(np.int64) << (bits - 16)).astype(f"<i{bits // 8}").tobytes()


@given(st.binary(max_size=400).map(lambda data: data[: len(data) // 2 * 2]), st.integers(1000, 384_000))
def test_written_files_read_back_equal(pcm: bytes, rate: int) -> None:
    clip = decode_wav(encode_wav(pcm, rate))
    assert (clip.pcm, clip.sample_rate) == (pcm, rate)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integer_widths_read_as_sixteen_bits(bits: int) -> None:
    samples = to_samples(decode_wav(riff(form(bits=bits), chunk(b"data", packed(bits)))).pcm)
    assert np.abs(samples.astype(int) - SAMPLES).max() <= (256 if bits == 8 else 0)


@pytest.mark.parametrize("bits", [32, 64])
def test_float_is_scaled_and_bounded(bits: int) -> None:
    data = np.array([0.5, -1.0, 7.0, np.nan, np.inf], dtype=f"<f{bits // 8}").tobytes()
    clip = decode_wav(riff(form(kind=3, bits=bits), chunk(b"data", data)))
    assert to_samples(clip.pcm).tolist() == [16384, -32768, 32767, 0, 32767]


def test_stereo_is_averaged_and_a_broken_last_frame_dropped() -> None:
    left, right = to_pcm(np.array([1000, 2000])), to_pcm(np.array([3000, -2000]))
    clip = decode_wav(riff(form(channels=2), chunk(b"data", interleave(left, right) + b"\1\2\3")))
    assert to_samples(clip.pcm).tolist() == [2000, 0]


def test_extensible_format_and_foreign_chunks_are_read() -> None:
    tail = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    data = riff(chunk(b"LIST", b"odd"), form(kind=0xFFFE, tail=tail), chunk(b"data", packed(16)))
    assert to_samples(decode_wav(data).pcm).tolist() == SAMPLES.tolist()


def test_a_recording_that_was_cut_short_is_read_as_far_as_it_goes() -> None:
    assert decode_wav(encode_wav(bytes(100), 8000)[:-50]).pcm == bytes(50)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "does not begin with RIFF"),
        (b"ID3" + bytes(60), "does not begin with RIFF"),
        (riff(), "no data chunk"),
        (riff(form()), "no data chunk"),
        (riff(chunk(b"data", b"")), "before its format"),
        (riff(chunk(b"fmt ", b"\1\0")), "cut short"),
        (riff(form(kind=6, bits=8)), "encoding 6 with 8 bits"),
        (riff(form(kind=0xFFFE)), "encoding 65534"),
        (riff(form(bits=12)), "12 bits"),
        (riff(form(channels=6)), "6 channels"),
        (riff(form(rate=10)), "10 Hz"),
        (bytes(2001), "over the limit of 2000 bytes"),
    ],
)
def test_unreadable_files_say_what_is_wrong(data: bytes, problem: str) -> None:
    with pytest.raises(UnreadableAudio, match=problem):
        decode_wav(data, max_bytes=2000)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_clearly(tail: bytes) -> None:
    for data in (tail, b"RIFF\0\0\0\0WAVE" + tail, b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + tail):
        try:
            decode_wav(data)
        except UnreadableAudio:
            continue


def test_reading_a_file_names_it_in_errors(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(encode_wav(bytes(20), 8000))
    bad.write_bytes(b"nonsense")
    assert read_wav(good).pcm == bytes(20)
    for path in (bad, tmp_path / "absent.wav"):
        with pytest.raises(UnreadableAudio, match=path.name):
            read_wav(path)
    with pytest.raises(UnreadableAudio, match="over the limit"):
        read_wav(good, max_bytes=10)


def test_a_file_written_as_it_comes_equals_one_written_at_once() -> None:
    file = io.BytesIO()
    with WavWriter(file, 24_000, channels=2) as writer:
        assert file.getvalue() == encode_wav(b"", 24_000, channels=2)
        writer.write(bytes(40))
        writer.write(b"\1" * 8)
    assert file.getvalue() == encode_wav(bytes(40) + b"\1" * 8, 24_000, channels=2)
    assert file.tell() == HEADER_BYTES + 48


def test_a_file_never_grows_past_the_format() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**32

    writer = WavWriter(io.BytesIO(), 8000)
    with pytest.raises(ValueError, match="4 GiB"):
        writer.write(Huge())
