"""Whole records of calls that may not be stored: in memory, for ten minutes after their end, and nowhere else.

Webhooks and the analysis still tell all of such a call, and its recording can be fetched that long. Kept compressed
and bounded; what finds no room lets the oldest go, and whoever asks for that is told that it is gone.
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

KEPT_MS: Final = 600_000.0
"""From the end of the call; counted on the monotonic clock, so that no jump of the wall clock makes it longer."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of all records together, compressed: some 3,000 calls of ten minutes."""
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class _Kept:
    packed_record: bytes
    until_ms: float

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
        self._bytes = 0

    def __repr__(self) -> str:
        return f"UnstoredCalls({len(self)} calls)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("calls that may not be stored cannot be pickled")

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, record: CallRecord) -> None:
        """Keep the whole of a call that ends now; of a known one the newer record, no longer than before."""
        text = packed(record.model_dump_json(exclude_none=True).encode(), _LEVEL)
        call_id = record.call.call_id
        with self._lock:
            known = self._calls.get(call_id)
            until_ms = self._clock.monotonic_ms() + KEPT_MS if known is None else known.until_ms
            self._bytes += len(text) - (0 if known is None else len(known.packed_record))
            self._calls[call_id] = _Kept(text, until_ms)
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

    def _make_room(self) -> list[str]:
        dropped: list[str] = []
        while self._bytes > self._max_bytes:
            oldest = next(iter(self._calls))
            self._drop(oldest)
            dropped.append(oldest)
        return dropped

    def _drop(self, call_id: str) -> None:
        kept = self._calls.pop(call_id, None)
        if kept is not None:
            self._bytes -= len(kept.packed_record)
