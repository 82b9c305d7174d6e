"""Erasing calls everywhere: their rows, journals, files, spools and what memory holds of them; with a proof.

```
begin (proof row) --> [batch: end what runs, files, rows in one transaction, files again] --> what is left? --> proof
```
A crash leaves a proof that is not finished, and calls that are whole or gone; asking again erases the rest.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import anyio
from structlog.stdlib import get_logger

from retold.calls.finish import Archive, erase
from retold.calls.live import LiveCalls
from retold.crash import crash_point
from retold.domain.call import CallRecord
from retold.domain.erasure import Erasure, ErasureKind, Person, added
from retold.errors import StorageError
from retold.ids import CallId, OrgId
from retold.storage.files import stored_sizes
from retold.storage.mark_search import marks_left
from retold.storage.tape import spooled_samples

AT_A_TIME = 50
"""Calls that are erased in one transaction: some milliseconds."""
LOOK_S = 60.0
"""How often calls whose days are over are looked for."""
SEARCHES = 20
SEARCH_AGAIN_S = 0.25
"""Readers that look at what was before keep the write-ahead log from being emptied, for as long as they read."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """What erasing takes."""

    archive: Archive
    live: LiveCalls

    async def call(self, org_id: OrgId, record: CallRecord) -> bool:
        """Erase one call; False when somebody else was faster. Raises StorageError and OSError."""
        begun = await self.archive.store.erasures.begin(org_id, ErasureKind.CALL)
        gone, counted = await self._batch(org_id, [record], begun)
        await self._finish(counted, gone, is_searched=False)
        for one in gone:
            get_logger().info("call_deleted", call_id=one.call.call_id)
        return bool(gone)

    async def person(self, org_id: OrgId, person: Person) -> Erasure:
        """Erase every call of a person, and search for what may be left. Raises StorageError and OSError."""
        store = self.archive.store
        so_far = await store.erasures.begin(org_id, ErasureKind.PERSON, person)
        gone: list[CallRecord] = []
        async with aclosing(self._records_of(org_id, person)) as batches:
            async for records in batches:
                erased, so_far = await self._batch(org_id, records, so_far)
                gone += erased
        return await self._finish(so_far, gone, is_searched=True)

    async def overdue(self) -> int:
        """Erase the calls whose days are over, at most one batch of one organisation; gives how many."""
        store = self.archive.store
        due = await store.erasures.due(store.owners.name, AT_A_TIME)
        if not due:
            return 0
        org_id = due[0].org_id
        records = await self._found(org_id, [one.call_id for one in due if one.org_id == org_id])
        so_far = await store.erasures.begin(org_id, ErasureKind.RETENTION)
        gone, counted = await self._batch(org_id, records, so_far)
        await self._finish(counted, gone, is_searched=False)
        return len(gone)

    async def keep_retention(self) -> None:
        """Erase what is due, a batch after the other, until cancelled."""
        while True:
            try:
                has_more = True
                while has_more:
                    # Between two batches everybody else has the writer.
                    has_more = await self.overdue() > 0
            except (StorageError, OSError) as error:
                get_logger().warning("calls_not_erased", error=str(error))
            await anyio.sleep(LOOK_S)

    async def _records_of(self, org_id: OrgId, person: Person) -> AsyncGenerator[list[CallRecord]]:
        """The calls of a person, which are to be erased before the next are asked for."""
        while call_ids := await self.archive.store.erasures.calls_of(org_id, person, AT_A_TIME):
            yield await self._found(org_id, call_ids)

    async def _found(self, org_id: OrgId, call_ids: Sequence[CallId]) -> list[CallRecord]:
        found = [await self.archive.store.find_call(org_id, call_id) for call_id in call_ids]
        return [record for record in found if record is not None]

    async def _batch(
        self, org_id: OrgId, records: Sequence[CallRecord], so_far: Erasure
    ) -> tuple[list[CallRecord], Erasure]:
        """Erase these calls; gives those that nobody else has erased meanwhile, and the proof so far."""
        store = self.archive.store
        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(self.live.silence, record)
        files = {"files": 0, "file_bytes": 0}
        for record in records:
            sizes = await asyncio.to_thread(stored_sizes, self.archive.data_dir, record.files_token)
            files = added(files, {"files": len(sizes), "file_bytes": sum(sizes)})
            await erase(record, self.archive)
        crash_point("erase_files_removed")
        counted = so_far.model_copy(update={"erased": added(so_far.erased, files)})
        gone, counted = await store.erasures.erase(org_id, [CallId(one.call.call_id) for one in records], counted)
        crash_point("erase_committed")
        for record in records:
            self.archive.unstored.forget(record.call.call_id)
            # Not before it is gone: a call that found no disk to be erased on still has its deadline.
            self.live.forget(record)
            # Somebody may have joined it meanwhile, and its end may have written files.
            await self.live.silence(record)
            await erase(record, self.archive)
        get_logger().info("calls_erased", calls=len(gone), kind=so_far.kind.value, erasure_id=so_far.erasure_id)
        return gone, counted

    async def _finish(self, so_far: Erasure, gone: Sequence[CallRecord], *, is_searched: bool) -> Erasure:
        left = {"files": 0, "spools": 0}
        for record in gone:
            sizes = await asyncio.to_thread(stored_sizes, self.archive.data_dir, record.files_token)
            spooled = await asyncio.to_thread(spooled_samples, self.archive.spool, record.call.call_id)
            left = added(left, {"files": len(sizes), "spools": int(spooled > 0)})
        if is_searched and not self.archive.store.is_shared:
            left["marks_in_database_files"] = await self._marks_left([record.files_token for record in gone])
        return await self.archive.store.erasures.finish(so_far, left)

    async def _marks_left(self, tokens: Sequence[str]) -> int:
        count = await asyncio.to_thread(marks_left, self.archive.data_dir, tokens)
        for _ in range(SEARCHES):
            if count == 0:
                break
            await anyio.sleep(SEARCH_AGAIN_S)
            count = await asyncio.to_thread(marks_left, self.archive.data_dir, tokens)
        return count
