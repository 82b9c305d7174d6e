"""The journal of one call (ports.Journal): in the database, or in memory only."""

from retold.errors import StorageFull
from retold.storage.database import Database
from retold.storage.groups import Entry


class DatabaseJournal:
    """Events go to the database's queue and are on disk with its next group commit."""

    def __init__(self, database: Database, call_id: str) -> None:
        self._database = database
        self._call_id = call_id
        self._is_cut = False
        self._last = 0

    def append(self, seq: int, at_ms: float, event: bytes) -> None:
        """Queue one encoded event; never waits.

        When the queue is full the journal ends here: what a crash would recover is then an older, but whole, story.
        """
        if self._is_cut:
            return
        number = self._database.append(Entry(self._call_id, seq, at_ms, event))
        self._is_cut = number is None
        self._last = number or self._last

    async def committed(self, *, is_urgent: bool = True) -> None:
        """Wait until every event appended so far is on disk. Raises StorageError."""
        if self._is_cut:
            raise StorageFull("the journal's queue is full; the disk is too slow or has no space")
        await self._database.flushed(self._last, is_urgent=is_urgent)


class MemoryJournal:
    """A journal that is never on disk, for calls of which nothing is kept and for tests."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []

    def append(self, seq: int, at_ms: float, event: bytes) -> None:
        """Keep one encoded event."""
        _ = seq, at_ms
        self.entries.append(event)

    async def committed(self, *, is_urgent: bool = True) -> None:
        """Nothing to wait for."""
        _ = is_urgent
