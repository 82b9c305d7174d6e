"""Encodes the spool of a call into its two recordings, in chunks and idempotently."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from retold.audio.pcm import BYTES_PER_SAMPLE, interleave, mix
from retold.audio.wav import HEADER_BYTES, wav_header
from retold.crash import crash_point
from retold.storage.disk import Disk
from retold.storage.tape import CHANNELS, spool_path

RECORDING = "recording.wav"
"""Both parties mixed, mono s16le."""
MULTI_CHANNEL = "recording_multi_channel.wav"
"""Caller left, agent right, s16le."""
CHUNK_SAMPLES = 8_000
"""Encoded at a time. Larger pieces are no faster by much, and leave holes in the memory of a server of short calls."""
_MAX_DATA_BYTES = 0xFFFFFFFF - HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Recording:
    """What is to be encoded: exactly `duration_ms` of sound, rounded to samples, whatever the spool holds."""

    call_id: str
    sample_rate: int
    duration_ms: int

    @property
    def samples(self) -> int:
        """Samples per channel; capped where a two-channel WAV ends (4 GiB: over 6 hours at 48 kHz)."""
        return min(round(self.duration_ms * self.sample_rate / 1000), _MAX_DATA_BYTES // (2 * BYTES_PER_SAMPLE))


def encode(
    recording: Recording, spool: Path, target: Path, disk: Disk, is_unwanted: Callable[[], bool] = lambda: False
) -> None:
    """Write both recordings into the folder `target`, each under another name until it is whole and synced.

    A repetition gives the same bytes; two at once for one call would spoil each other. Blocks, until `is_unwanted`
    says that nobody waits any more: then nothing is left behind. Memory does not grow with the call. Raises OSError.
    """
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    caller, agent = (_open_or_none(spool_path(spool, recording.call_id, channel)) for channel in CHANNELS)
    try:
        with _Output(target / RECORDING, disk) as mono, _Output(target / MULTI_CHANNEL, disk) as stereo:
            data_bytes = recording.samples * BYTES_PER_SAMPLE
            mono.write(wav_header(data_bytes, recording.sample_rate, 1))
            stereo.write(wav_header(2 * data_bytes, recording.sample_rate, 2))
            for start in range(0, recording.samples, CHUNK_SAMPLES):
                if is_unwanted():
                    return
                count = min(CHUNK_SAMPLES, recording.samples - start)
                left, right = _read(caller, start, count), _read(agent, start, count)
                mono.write(mix(left, right))
                stereo.write(interleave(left, right))
                crash_point("recording_half_written")
            crash_point("recording_before_rename")
            mono.finish()
            crash_point("recording_first_renamed")
            stereo.finish()
    finally:
        for fd in (caller, agent):
            if fd is not None:
                os.close(fd)


class _Output:
    """A file that appears under its name only when it is whole; leaving without `finish()` removes it."""

    def __init__(self, target: Path, disk: Disk) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.part")
        self._disk = disk
        self._size = 0

    def __enter__(self) -> Self:
        self._fd = os.open(self._partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
        self._partial.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        self._disk.write(self._fd, data, self._size)
        self._size += len(data)

    def finish(self) -> None:
        self._disk.fsync(self._fd)
        self._disk.replace(self._partial, self._target)


def _open_or_none(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None


def _read(fd: int | None, start: int, count: int) -> bytes:
    """`count` samples from `start`; silence where nothing was recorded."""
    wanted = count * BYTES_PER_SAMPLE
    got = b"" if fd is None else os.pread(fd, wanted, start * BYTES_PER_SAMPLE)
    return got + bytes(wanted - len(got))
