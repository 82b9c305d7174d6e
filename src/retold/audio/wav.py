"""RIFF WAV files: any plain PCM read as mono s16le, and s16le written, at once or as it comes.

Source: Microsoft "Multimedia Programming Interface and Data Specifications 1.0" (1991) and
"Multiple Channel Audio Data and WAVE Files" (2001) for the extensible header.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from retold.audio.pcm import BYTES_PER_SAMPLE, to_pcm
from retold.errors import UnreadableAudio

MAX_WAV_BYTES = 64 * 1024 * 1024
"""Default limit for reading: 6 minutes of 48 kHz 16-bit stereo."""

HEADER_BYTES = 44
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MAX_DATA_BYTES = 0xFFFFFFFF - HEADER_BYTES


@dataclass(frozen=True, slots=True)
class WavAudio:
    """A clip: s16le mono PCM and its rate in Hz."""

    pcm: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class _Format:
    kind: int
    channels: int
    sample_rate: int
    bits: int


def read_wav(path: Path, max_bytes: int = MAX_WAV_BYTES) -> WavAudio:
    """Read a file as `decode_wav` does. Raises UnreadableAudio, naming the file."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
        return decode_wav(data, max_bytes)
    except OSError as error:
        raise UnreadableAudio(f"cannot open {path}: {error.strerror}") from error
    except UnreadableAudio as error:
        raise UnreadableAudio(f"{path}: {error}") from error


def decode_wav(data: bytes, max_bytes: int = MAX_WAV_BYTES) -> WavAudio:
    """Read integer PCM of 8, 16, 24 or 32 bits or float of 32 or 64, mono or stereo (averaged). Raises UnreadableAudio.

    A data chunk whose length says more than the file holds (a recorder that was stopped) is read as far as it goes.
    """
    if len(data) > max_bytes:
        raise UnreadableAudio(f"the WAV file is over the limit of {max_bytes} bytes; cut it")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise UnreadableAudio("not a WAV file: it does not begin with RIFF....WAVE; convert it to WAV")
    layout: _Format | None = None
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = data[position + 8 : position + 8 + size]
        if name == b"fmt ":
            layout = _format(body)
        elif name == b"data":
            if layout is None:
                raise UnreadableAudio("the WAV file has its data before its format; write it again with another tool")
            return WavAudio(to_pcm(_mono(body, layout) * 32768), layout.sample_rate)
        position += 8 + size + size % 2
    raise UnreadableAudio("the WAV file has no data chunk; it is cut short")


def encode_wav(pcm: bytes, sample_rate: int, channels: int = 1) -> bytes:
    """A whole s16le WAV file; `pcm` is interleaved when there are more channels."""
    return wav_header(len(pcm), sample_rate, channels) + pcm


class WavWriter:
    """Write s16le WAV as it comes; the sizes in the header are set by `close()` (or leaving the `with` block).

    The file must be seekable and is not closed. Until `close()` the header says an empty file.
    """

    def __init__(self, file: BinaryIO, sample_rate: int, channels: int = 1) -> None:
        self._file = file
        self._start = file.tell()
        self._sample_rate = sample_rate
        self._channels = channels
        self._data_bytes = 0
        file.write(wav_header(0, sample_rate, channels))

    def write(self, pcm: bytes) -> None:
        """Append PCM, interleaved when there are more channels. Raises ValueError past the 4 GiB of the format."""
        if self._data_bytes + len(pcm) > _MAX_DATA_BYTES:
            raise ValueError("a WAV file cannot hold over 4 GiB; begin another")
        self._file.write(pcm)
        self._data_bytes += len(pcm)

    def close(self) -> None:
        """Set the sizes in the header; the position is then the end of the file."""
        self._file.seek(self._start)
        self._file.write(wav_header(self._data_bytes, self._sample_rate, self._channels))
        self._file.seek(self._start + HEADER_BYTES + self._data_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def wav_header(data_bytes: int, sample_rate: int, channels: int) -> bytes:
    """The `HEADER_BYTES` before `data_bytes` of s16le PCM."""
    block = channels * BYTES_PER_SAMPLE
    form = struct.pack("<HHIIHH", _PCM, channels, sample_rate, sample_rate * block, block, 8 * BYTES_PER_SAMPLE)
    riff = struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE")
    return riff + struct.pack("<4sI", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", data_bytes)


def _format(body: bytes) -> _Format:
    if len(body) < 16:
        raise UnreadableAudio("the WAV file's format chunk is cut short")
    kind, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = struct.unpack_from("<H", body, 24)[0]
    if (kind, bits) not in {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)}:
        raise UnreadableAudio(
            f"the WAV file has encoding {kind} with {bits} bits; only PCM (1) of 8 to 32 bits and float (3) are read"
        )
    if channels not in {1, 2}:
        raise UnreadableAudio(f"the WAV file has {channels} channels; only 1 or 2 are read")
    if not 1000 <= sample_rate <= 384_000:
        raise UnreadableAudio(f"the WAV file has a rate of {sample_rate} Hz; only 1000 to 384000 are read")
    return _Format(kind, channels, sample_rate, bits)


def _mono(body: bytes, layout: _Format) -> NDArray[np.float64]:
    """Samples between -1 and 1, channels averaged; a broken last frame is left out."""
    width = layout.bits // 8
    body = body[: len(body) - len(body) % (width * layout.channels)]
    if layout.kind == _FLOAT:
        samples = np.clip(np.nan_to_num(np.frombuffer(body, dtype=f"<f{width}").astype(np.float64)), -1, 1)
    elif width == 1:
        samples = (np.frombuffer(body, dtype=np.uint8).astype(np.float64) - 128) / 128
    elif width == 3:
        # 24-bit samples become the upper bytes of 32-bit ones.
        wide = np.zeros((len(body) // 3, 4), dtype=np.uint8)
        wide[:, 1:] = np.frombuffer(body, dtype=np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0] / 2.0**31
    else:
        samples = np.frombuffer(body, dtype=f"<i{width}") / 2.0 ** (layout.bits - 1)
    return samples.reshape(-1, layout.channels).mean(axis=1)
