"""Erasing calls for good, in small batches, and keeping the proof of it: which rows went, and that none was left.

The marks that erased calls leave (`call_tombstone`) name their erasure, so a proof can be compared with them.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, insert, or_, select, update

from retold.clock import Clock
from retold.domain.call import CallRecord
from retold.domain.call_query import CallKeys
from retold.domain.erasure import Erasure, ErasureKind, Person, added
from retold.ids import CallId, OrgId, new_erasure_id
from retold.storage import call_changes
from retold.storage.call_rows import as_text
from retold.storage.call_tables import call_tombstone
from retold.storage.database import Database
from retold.storage.privacy_tables import erasure
from retold.storage.tables import call, call_attribute

OTHERS_AFTER_MS = 86_400_000
"""What a server left undone for so long, others do: it may be gone for good."""


class Due(NamedTuple):
    """A call whose days are over."""

    org_id: OrgId
    call_id: CallId


class Erasures:
    """The erasures of one database; `key` makes the hashes of persons."""

    def __init__(self, database: Database, clock: Clock, key: Callable[[], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._key = key

    async def begin(self, org_id: OrgId, kind: ErasureKind, person: Person | None = None) -> Erasure:
        """Write down that an erasure begins. Raises StorageError."""
        named = None
        if person is not None:
            digest = hmac.digest(self._key(), person.text, hashlib.sha256).hex()
            named = {"named_by": person.named_by, "hash": digest}
        begun = Erasure(erasure_id=new_erasure_id(), kind=kind, begun_timestamp=self._clock.wall_ms(), person=named)
        row = {**_row(begun), "erasure_id": begun.erasure_id, "org_id": org_id, "begun_ms": begun.begun_timestamp}
        await self._database.write(
            lambda connection: connection.execute(insert(erasure).values(row)), is_essential=True
        )
        return begun

    async def erase(
        self, org_id: OrgId, call_ids: Sequence[CallId], so_far: Erasure
    ) -> tuple[list[CallRecord], Erasure]:
        """Erase these calls, and count them, in one transaction; gives those that there were. Raises StorageError."""

        def work(connection: Connection) -> tuple[list[CallRecord], Erasure]:
            rows = _rows_left(connection, call_ids)
            now_ms = self._clock.wall_ms()
            gone = [
                record
                for call_id in call_ids
                if (record := call_changes.delete_call(connection, org_id, call_id, now_ms, so_far.erasure_id))
            ]
            counted = so_far.model_copy(update={"erased": added(so_far.erased, {**rows, "calls": len(gone)})})
            _save(connection, counted)
            return gone, counted

        return await self._database.write(work, is_essential=True, is_erasing=True)

    async def finish(self, so_far: Erasure, left: dict[str, int]) -> Erasure:
        """Write down what was found of the erased calls afterwards, their rows counted here. Raises StorageError."""

        def work(connection: Connection) -> Erasure:
            mine = select(call_tombstone.c.call_id).where(call_tombstone.c.erasure_id == so_far.erasure_id)
            call_ids = sorted(connection.scalars(mine).all())
            rows = _rows_left(connection, call_ids)
            done = so_far.model_copy(
                update={
                    "finished_timestamp": self._clock.wall_ms(),
                    "left": added(rows, left),
                    "call_ids_sha256": hashlib.sha256("".join(f"{one}\n" for one in call_ids).encode()).hexdigest(),
                }
            )
            _save(connection, done)
            return done

        return await self._database.write(work, is_essential=True)

    async def calls_of(self, org_id: OrgId, person: Person, limit: int) -> list[CallId]:
        """Some calls of a person, as long as there are any."""
        wanted = _calls_of(org_id, person).limit(limit)
        found = await self._database.read(lambda connection: connection.scalars(wanted).all())
        return [CallId(call_id) for call_id in found]

    async def due(self, server: str | None, limit: int) -> list[Due]:
        """Calls whose days are over, the longest first: those of this server, and others that nobody erased."""
        now_ms = self._clock.wall_ms()
        is_due = call.c.erase_after_ms <= now_ms
        if server is not None:
            mine = or_(call.c.server == server, call.c.server.is_(None))
            is_due &= or_(mine, call.c.erase_after_ms <= now_ms - OTHERS_AFTER_MS)
        wanted = select(call.c.org_id, call.c.call_id).where(is_due).order_by(call.c.erase_after_ms).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [Due(OrgId(row.org_id), CallId(row.call_id)) for row in rows]

    async def find(self, org_id: OrgId, erasure_id: str) -> Erasure | None:
        """One erasure of this organisation."""
        wanted = select(erasure.c.proof).where(erasure.c.org_id == org_id, erasure.c.erasure_id == erasure_id)
        proof = await self._database.read(lambda connection: connection.scalar(wanted))
        return None if proof is None else Erasure.model_validate_json(proof)

    async def list_all(self, org_id: OrgId, limit: int) -> list[Erasure]:
        """The last erasures of this organisation, newest first."""
        newest = (erasure.c.begun_ms.desc(), erasure.c.erasure_id.desc())
        wanted = select(erasure.c.proof).where(erasure.c.org_id == org_id).order_by(*newest).limit(limit)
        proofs = await self._database.read(lambda connection: connection.scalars(wanted).all())
        return [Erasure.model_validate_json(proof) for proof in proofs]


def _calls_of(org_id: OrgId, person: Person) -> Select[str]:
    if person.numbers:
        # Two look-ups, each in its index; an `or` over both columns would read all calls.
        of_org = select(call.c.call_id).where(call.c.org_id == org_id)
        either = [of_org.where(column.in_(person.numbers)) for column in (call.c.from_number, call.c.to_number)]
        return select(either[0].union(either[1]).subquery().c.call_id)
    is_theirs = (
        (call_attribute.c.org_id == org_id)
        & (call_attribute.c.kind == CallKeys.METADATA.value)
        & (call_attribute.c.key == person.metadata_key)
        & (call_attribute.c.text_value == as_text(person.metadata_value))
    )
    return select(call.c.call_id).join(call_attribute, call_attribute.c.row_id == call.c.row_id).where(is_theirs)


def _rows_left(connection: Connection, call_ids: Iterable[str]) -> dict[str, int]:
    ids = list(call_ids)
    tables = {"calls": call} | {f"{table.name}_rows": table for table in call_changes.tables_beside_calls()}
    return {
        name: connection.scalar(select(func.count()).select_from(table).where(table.c.call_id.in_(ids))) or 0
        for name, table in tables.items()
    }


def _save(connection: Connection, proof: Erasure) -> None:
    connection.execute(update(erasure).where(erasure.c.erasure_id == proof.erasure_id).values(_row(proof)))


def _row(proof: Erasure) -> dict[str, Any]:
    return {
        "kind": proof.kind.value,
        "finished_ms": proof.finished_timestamp,
        "proof": proof.model_dump_json(exclude_none=True),
    }
