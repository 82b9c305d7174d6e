"""The recording of a running call (ports.Tape): raw PCM in two spool files, written by one thread for all calls.

```
write_caller/write_agent -> pieces in memory -> [every 200 ms] pwrite at the sample position -> [each second] fdatasync
```
Samples are addressed by position, so the channels cannot drift apart, and what nobody wrote is silence (a hole in
the file).
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from retold.audio.pcm import BYTES_PER_SAMPLE
from retold.crash import crash_point
from retold.storage.disk import Disk
from retold.storage.sealed_audio import FOLDER as SEALED_FOLDER
from retold.storage.sealed_audio import SealedAudio, SealedPair

FLUSH_S = 0.2
"""A killed process loses this much audio, and what the writes of one round take."""
SYNC_EVERY = 5
"""A file is synced with every fifth flush that wrote to it: about each second."""
MAX_PENDING_BYTES = 2 * 5 * 48_000 * BYTES_PER_SAMPLE
"""What may wait for the disk per call, 5 s at 48 kHz; beyond it audio is dropped and the recording is flagged."""
CHANNELS = ("caller", "agent")

_log = structlog.get_logger()


def spool_path(folder: Path, call_id: str, channel: str) -> Path:
    """Where a channel of a call is kept until it is encoded."""
    return folder / f"{call_id}.{channel}.pcm"


def spooled_samples(folder: Path, call_id: str) -> int:
    """Length of the longer channel on disk, in samples; 0 when nothing was recorded."""
    sizes = [path.stat().st_size for channel in CHANNELS if (path := spool_path(folder, call_id, channel)).exists()]
    return max(sizes, default=0) // BYTES_PER_SAMPLE


def spooled_calls(folder: Path) -> list[str]:
    """Every call that has a spool, sorted."""
    return sorted({path.name.split(".")[0] for path in folder.glob("*.pcm")})


def remove_spool(folder: Path, call_id: str) -> None:
    """Delete both channels; nothing happens when they are gone."""
    for channel in CHANNELS:
        spool_path(folder, call_id, channel).unlink(missing_ok=True)


@dataclass(slots=True)
class _Channel:
    """One spool file. `pieces` is filled by the event loop; all else is the thread's that holds the tape's lock."""

    path: Path
    sealed: SealedAudio | None = None
    """Where the audio of a call that may not be stored is sealed."""
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque[tuple[int, bytes]])
    fd: int | None = None
    is_dirty: bool = False


class SpoolTape:
    """The two channels of one call."""

    def __init__(self, recorder: "Recorder", folder: Path, call_id: str, *, is_sealed: bool = False) -> None:
        self._recorder = recorder
        self.call_id = call_id
        self._caller, self._agent = (_channel(spool_path(folder, call_id, name), is_sealed) for name in CHANNELS)
        self._lock = threading.Lock()
        # Each counter has one writer: the loop counts what came in, the thread what went out.
        self._bytes_in = 0
        self._bytes_out = 0
        self._refused_bytes = 0
        self._lost_bytes = 0
        self._flushes = 0
        self._is_discarded = False

    @property
    def sealed(self) -> SealedPair | None:
        """The caller's and the agent's audio of a call that may not be stored, once the tape is closed."""
        if self._caller.sealed is None or self._agent.sealed is None or self._is_discarded:
            return None
        return self._caller.sealed, self._agent.sealed

    @property
    def dropped_bytes(self) -> int:
        """Audio that is missing from the recording."""
        return self._refused_bytes + self._lost_bytes

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing from the recording."""
        return self.dropped_bytes == 0

    def write_caller(self, start_sample: int, pcm: bytes) -> None:
        """Lay caller audio at a sample position. Never waits."""
        self._keep(self._caller, start_sample, pcm)

    def write_agent(self, start_sample: int, pcm: bytes) -> None:
        """Lay agent audio at a sample position. Never waits."""
        self._keep(self._agent, start_sample, pcm)

    def discard(self) -> None:
        """Delete all that was recorded, and keep nothing from here on. Blocks. Raises OSError."""
        self._is_discarded = True
        with self._lock:
            for channel in (self._caller, self._agent):
                channel.pieces.clear()
                if channel.fd is not None:
                    os.close(channel.fd)
                    channel.fd = None
                channel.path.unlink(missing_ok=True)
                if channel.sealed is not None:
                    channel.sealed.remove()

    async def close(self) -> None:
        """Write and sync what is left; the tape takes nothing afterwards."""
        await self._recorder.release(self)

    def _keep(self, channel: _Channel, start_sample: int, pcm: bytes) -> None:
        if self._is_discarded:
            return
        if self._bytes_in - self._bytes_out + len(pcm) > MAX_PENDING_BYTES:
            self._refused_bytes += len(pcm)
            return
        self._bytes_in += len(pcm)
        channel.pieces.append((start_sample, pcm))

    # --- in a thread ---

    def flush(self, disk: Disk, *, is_last: bool = False) -> None:
        """Write what waits; sync when it is time; with `is_last` close the files. Blocks; never raises."""
        with self._lock:
            if self._is_discarded:
                return
            self._flushes += 1
            is_sync_due = is_last or self._flushes % SYNC_EVERY == 0
            for channel in (self._caller, self._agent):
                self._write(disk, channel)
                if is_sync_due and channel.is_dirty and channel.fd is not None:
                    self._sync(disk, channel, channel.fd)
                if is_last and channel.fd is not None:
                    os.close(channel.fd)
                    channel.fd = None

    def _write(self, disk: Disk, channel: _Channel) -> None:
        for start_sample, pcm in _joined(channel.pieces):
            crash_point("tape_before_write")
            try:
                if channel.fd is None:
                    channel.fd = os.open(channel.path, os.O_CREAT | os.O_WRONLY, 0o600)
                if channel.sealed is not None:
                    channel.sealed.write(disk, channel.fd, pcm, start_sample)
                else:
                    disk.write(channel.fd, pcm, start_sample * BYTES_PER_SAMPLE)
                channel.is_dirty = True
                crash_point("tape_written")
            except OSError as error:
                self._lose(len(pcm), error)
            finally:
                self._bytes_out += len(pcm)

    def _sync(self, disk: Disk, channel: _Channel, fd: int) -> None:
        try:
            disk.fsync(fd)
            channel.is_dirty = False
            crash_point("tape_synced")
        except OSError as error:
            # What the kernel has thrown away is unknown: the recording may miss anything since the last sync.
            channel.is_dirty = False
            self._lose(1, error)

    def _lose(self, size: int, error: OSError) -> None:
        if self._lost_bytes == 0:
            _log.warning("recording_incomplete", call_id=self.call_id, error=str(error))
        self._lost_bytes += size


def _channel(path: Path, is_sealed: bool) -> _Channel:
    if not is_sealed:
        return _Channel(path)
    sealed = path.with_suffix(".sealed")
    return _Channel(sealed, SealedAudio(sealed))


def _joined(pieces: deque[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Take all pieces; those that follow each other without a gap become one."""
    start, end, parts = 0, 0, list[bytes]()
    while pieces:
        position, pcm = pieces.popleft()
        if parts and position != end:
            yield start, b"".join(parts)
            parts = []
        if not parts:
            start = position
        parts.append(pcm)
        end = position + len(pcm) // BYTES_PER_SAMPLE
    if parts:
        yield start, b"".join(parts)


class Recorder:
    """The thread that writes the tapes of all calls."""

    def __init__(self, data_dir: Path, disk: Disk | None = None) -> None:
        self.folder = data_dir / "spool"
        self._sealed_folder = data_dir / SEALED_FOLDER
        self._disk = disk or Disk()
        self._tapes: dict[str, SpoolTape] = {}
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retold-tape", daemon=True)

    def open(self) -> None:
        """Make the folders and start the thread; what lies sealed there is noise, its keys are gone. Raises OSError."""
        for folder in (self.folder, self._sealed_folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._sealed_folder.iterdir():
            path.unlink()
        self._thread.start()

    async def close(self) -> None:
        """Write what is left of every tape and end the thread."""
        self._is_closing.set()
        await asyncio.to_thread(self._thread.join)
        for tape in list(self._tapes.values()):
            await self.release(tape)

    def tape(self, call_id: str) -> SpoolTape:
        """The tape of a call that begins."""
        return self._noted(SpoolTape(self, self.folder, call_id))

    def sealed_tape(self, call_id: str) -> SpoolTape:
        """The same of a call that may not be stored: whoever takes its audio removes it."""
        return self._noted(SpoolTape(self, self._sealed_folder, call_id, is_sealed=True))

    def _noted(self, made: SpoolTape) -> SpoolTape:
        self._tapes[made.call_id] = made
        return made

    async def release(self, tape: SpoolTape) -> None:
        """Write, sync and forget a tape."""
        self._tapes.pop(tape.call_id, None)
        await asyncio.to_thread(tape.flush, self._disk, is_last=True)

    def _run(self) -> None:
        while not self._is_closing.wait(FLUSH_S):
            for tape in list(self._tapes.values()):
                tape.flush(self._disk)
