"""Whole records of calls that may not be stored: in memory, for ten minutes after their end, and nowhere else.

Webhooks and the analysis still tell all of such a call, and its recording, on disk under a key that is here alone, can
be fetched that long. Records are compressed and bounded; what finds no room lets the oldest go.
"""

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from structlog.stdlib import get_logger

from retold.clock import Clock
from retold.domain.call import CallRecord
from retold.storage.packed import packed
from retold.storage.unstored_recording import UnstoredRecording

KEPT_MS: Final = 600_000.0
"""From the end of the call; counted on the monotonic clock, so that no jump of the wall clock makes it longer."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of all records together, compressed: some 3,000 calls of ten minutes."""
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class _Kept:
    packed_record: bytes
    files_token: str
    until_ms: float
    recording: UnstoredRecording | None

    def __repr__(self) -> str:
        return f"_Kept({len(self.packed_record)} bytes)"


class UnstoredCalls:
    """What this process alone knows; safe to use from any thread, and never to be written anywhere."""

    def __init__(self, clock: Clock, *, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        # In the order in which they go.
        self._calls: dict[str, _Kept] = {}
        self._by_token: dict[str, str] = {}
        self._bytes = 0

    def __repr__(self) -> str:
        return f"UnstoredCalls({len(self)} calls)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("calls that may not be stored cannot be pickled")

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, record: CallRecord, recording: UnstoredRecording | None = None) -> None:
        """Keep the whole of a call that ends now; of a known one the newer record, no longer than before."""
        text = packed(record.model_dump_json(exclude_none=True).encode(), _LEVEL)
        call_id = record.call.call_id
        with self._lock:
            known = self._calls.get(call_id)
            until_ms = self._clock.monotonic_ms() + KEPT_MS if known is None else known.until_ms
            self._bytes += len(text) - (0 if known is None else len(known.packed_record))
            kept_recording = recording or (known and known.recording)
            self._calls[call_id] = _Kept(text, record.files_token, until_ms, kept_recording)
            self._by_token[record.files_token] = call_id
            dropped = self._make_room()
        for one in dropped:
            get_logger().warning("unstored_call_dropped", call_id=one, fix="fewer such calls at once for one server")

    def get(self, call_id: str) -> CallRecord | None:
        """All of the call; None when it was stored, when its time is over, or when another process held it."""
        with self._lock:
            kept = self._calls.get(call_id)
            if kept is None or kept.until_ms <= self._clock.monotonic_ms():
                self._drop(call_id)
                return None
        return CallRecord.model_validate_json(zlib.decompress(kept.packed_record))

    def recording(self, files_token: str) -> UnstoredRecording | None:
        """The recording under this token; None when there is none any more."""
        with self._lock:
            call_id = self._by_token.get(files_token)
            kept = None if call_id is None else self._calls[call_id]
            return kept.recording if kept is not None and kept.until_ms > self._clock.monotonic_ms() else None

    def under(self, files_token: str) -> CallRecord | None:
        """The call whose recording is under this token; None when nothing of it is kept any more."""
        with self._lock:
            call_id = self._by_token.get(files_token)
        return None if call_id is None else self.get(call_id)

    def change(self, call_id: str, change: Callable[[CallRecord], CallRecord]) -> CallRecord | None:
        """Replace what is kept of a call; gives what it is then, None when nothing is kept."""
        record = self.get(call_id)
        if record is None:
            return None
        changed = change(record)
        self.put(changed)
        return changed

    def forget(self, call_id: str) -> None:
        """Let a call go before its time; nothing happens when it is not kept."""
        with self._lock:
            self._drop(call_id)

    def sweep(self) -> int:
        """Let go of the calls whose time is over; gives how many."""
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            over = [call_id for call_id, kept in self._calls.items() if kept.until_ms <= now_ms]
            for call_id in over:
                self._drop(call_id)
        return len(over)

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            for call_id in list(self._calls):
                self._drop(call_id)

    def _make_room(self) -> list[str]:
        dropped: list[str] = []
        while self._bytes > self._max_bytes:
            oldest = next(iter(self._calls))
            self._drop(oldest)
            dropped.append(oldest)
        return dropped

    def _drop(self, call_id: str) -> None:
        kept = self._calls.pop(call_id, None)
        if kept is None:
            return
        self._bytes -= len(kept.packed_record)
        self._by_token.pop(kept.files_token, None)
        if kept.recording is not None:
            try:
                kept.recording.remove()
            except OSError as error:
                # Its key is gone; the file goes with the next start.
                get_logger().warning("unstored_recording_not_removed", call_id=call_id, error=str(error))
