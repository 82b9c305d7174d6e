"""Encodes the spool of a call into its recordings, in chunks and idempotently."""

import math
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from retold.audio.pcm import BYTES_PER_SAMPLE, interleave, mix
from retold.audio.wav import HEADER_BYTES, wav_header
from retold.crash import crash_point
from retold.domain.pii.transcript import MutedByRole
from retold.storage.disk import Disk
from retold.storage.sealed_audio import SealedPair
from retold.storage.tape import CHANNELS, spool_path

RECORDING = "recording.wav"
"""Both parties mixed, mono s16le."""
MULTI_CHANNEL = "recording_multi_channel.wav"
"""Caller left, agent right, s16le."""
SCRUBBED = "scrubbed_recording.wav"
"""As `RECORDING`, and silent wherever personal data was said."""
SCRUBBED_MULTI_CHANNEL = "scrubbed_recording_multi_channel.wav"
"""As `MULTI_CHANNEL`, and silent on the channel of who said personal data."""
CHUNK_SAMPLES = 8_000
"""Encoded at a time. Larger pieces are no faster by much, and leave holes in the memory of a server of short calls."""
_MAX_DATA_BYTES = 0xFFFFFFFF - HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Recording:
    """What is to be encoded: exactly `duration_ms` of sound, rounded to samples, whatever the spool holds."""

    call_id: str
    sample_rate: int
    duration_ms: int
    muted: MutedByRole | None = None
    """What the scrubbed recordings leave out; None when there are none to be."""
    sealed: SealedPair | None = None
    """Its audio when that may not be stored: then it comes from there, and only the scrubbed recordings are written."""

    @property
    def samples(self) -> int:
        """Samples per channel; capped where a two-channel WAV ends (4 GiB: over 6 hours at 48 kHz)."""
        return min(round(self.duration_ms * self.sample_rate / 1000), _MAX_DATA_BYTES // (2 * BYTES_PER_SAMPLE))


def encode(
    recording: Recording, spool: Path, target: Path, disk: Disk, is_unwanted: Callable[[], bool] = lambda: False
) -> None:
    """Write the recordings into the folder `target`, each under another name until it is whole and synced.

    A repetition gives the same bytes; two at once for one call would spoil each other. Blocks, until `is_unwanted`
    says that nobody waits any more: then nothing is left behind. Memory does not grow with the call. Raises OSError.
    """
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    tracks = tracks_of(recording)
    with ExitStack() as stack:
        paths = [spool_path(spool, recording.call_id, channel) for channel in CHANNELS]
        caller, agent = [sealed.read for sealed in recording.sealed or ()] or [_opened(stack, path) for path in paths]
        outputs = [stack.enter_context(_Output(target / track.name, disk)) for track in tracks]
        for track, output in zip(tracks, outputs, strict=True):
            data_bytes = recording.samples * track.channels * BYTES_PER_SAMPLE
            output.write(wav_header(data_bytes, recording.sample_rate, track.channels))
        for start in range(0, recording.samples, CHUNK_SAMPLES):
            if is_unwanted():
                return
            count = min(CHUNK_SAMPLES, recording.samples - start)
            left, right = caller(start, count), agent(start, count)
            for track, output in zip(tracks, outputs, strict=True):
                output.write(track.of(left, right, start))
            crash_point("recording_half_written")
        crash_point("recording_before_rename")
        for output in outputs:
            output.finish()
            crash_point("recording_first_renamed")


@dataclass(frozen=True, slots=True)
class Track:
    """One recording: how it is made of the two channels."""

    name: str
    channels: int
    left: Sequence[range] = ()
    """The samples in which the caller is silenced."""
    right: Sequence[range] = ()

    def of(self, left: bytes, right: bytes, start: int) -> bytes:
        """The samples from `start` on, of the caller's and the agent's."""
        join = mix if self.channels == 1 else interleave
        return join(_silenced(left, start, self.left), _silenced(right, start, self.right))


def tracks_of(recording: Recording) -> list[Track]:
    """The recordings that a call has: two, and two more when there are scrubbed ones; of sealed audio only these."""
    tracks = [Track(RECORDING, 1), Track(MULTI_CHANNEL, 2)] if recording.sealed is None else []
    if recording.muted is None:
        return tracks
    left, right = (
        [
            range(int(start_ms * recording.sample_rate / 1000), math.ceil(end_ms * recording.sample_rate / 1000))
            for start_ms, end_ms in recording.muted[role]
        ]
        for role in ("user", "agent")
    )
    # Who speaks at the same time can be heard repeating it: in the mixed recording nobody is.
    both = [*left, *right]
    return [*tracks, Track(SCRUBBED, 1, both, both), Track(SCRUBBED_MULTI_CHANNEL, 2, left, right)]


def _silenced(pcm: bytes, start: int, ranges: Sequence[range]) -> bytes:
    """The samples from `start` on, with zeros in these ranges."""
    stop = start + len(pcm) // BYTES_PER_SAMPLE
    inside = [one for one in ranges if one.start < stop and one.stop > start]
    if not inside:
        return pcm
    silent = bytearray(pcm)
    for one in inside:
        first = (max(one.start, start) - start) * BYTES_PER_SAMPLE
        last = (min(one.stop, stop) - start) * BYTES_PER_SAMPLE
        silent[first:last] = bytes(last - first)
    return bytes(silent)


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


def _opened(stack: ExitStack, path: Path) -> Callable[[int, int], bytes]:
    """Reads so many samples from a position of a spool file; silence where nothing was recorded."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return lambda _start, count: bytes(count * BYTES_PER_SAMPLE)
    stack.callback(os.close, fd)

    def read(start: int, count: int) -> bytes:
        wanted = count * BYTES_PER_SAMPLE
        return os.pread(fd, wanted, start * BYTES_PER_SAMPLE).ljust(wanted, b"\0")

    return read
