"""What requests with an idempotency key were answered, for as long as they may be repeated."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from retold.clock import Clock
from retold.errors import Conflict
from retold.ids import OrgId
from retold.storage.access_tables import idempotency
from retold.storage.database import Database
from retold.storage.effect import Note

KEPT_MS = KEPT_OF_HEADER_MS, KEPT_OF_BODY_MS = 24 * 3600 * 1000, 3600 * 1000
"""How long an answer is kept; the shorter for create-phone-call's field in its body, as Retell keeps it."""
MAX_KEPT = 200_000
"""Answers of all organisations; beyond it those that end first are forgotten early."""
_SWEPT_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that may be repeated: whose, which, with which content, until when."""

    org_id: OrgId
    key_hash: str
    body_hash: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, its headers as they were sent."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A request that took effect; its answer, unless that was not kept."""

    body_hash: str
    answer: Answer | None


class Idempotency:
    """The kept answers of a data folder."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, attempt: Attempt) -> Known | None:
        """What is known of an earlier attempt."""
        wanted = select(idempotency.c.body_hash, idempotency.c.status, idempotency.c.headers, idempotency.c.body).where(
            _is(attempt), idempotency.c.expires_ms > self._clock.wall_ms()
        )
        row = await self._database.read(lambda connection: connection.execute(wanted).one_or_none())
        if row is None:
            return None
        is_kept = row.status is not None
        headers = [(name, value) for name, value in orjson.loads(row.headers)] if is_kept else []
        return Known(row.body_hash, Answer(row.status, headers, row.body) if is_kept else None)

    def note(self, attempt: Attempt) -> Note:
        """The row that says that the attempt took effect. Writing it raises Conflict when another attempt has."""

        def write(connection: Connection) -> None:
            connection.execute(delete(idempotency).where(_is(attempt), idempotency.c.expires_ms <= now_ms))
            if connection.scalar(select(idempotency.c.key_hash).where(_is(attempt))) is not None:
                raise Conflict("another request with this Idempotency-Key took effect meanwhile", fix="send it again")
            values = {"org_id": attempt.org_id, "key_hash": attempt.key_hash, "body_hash": attempt.body_hash}
            connection.execute(insert(idempotency).values(**values, expires_ms=attempt.expires_ms))

        now_ms = self._clock.wall_ms()
        return Note(write)

    async def keep(self, attempt: Attempt, note: Note, answer: Answer) -> None:
        """Keep the answer of an attempt whose note was written, or write both."""
        values: dict[str, Any] = {
            "status": answer.status,
            "headers": orjson.dumps(answer.headers).decode(),
            "body": answer.body,
        }

        def work(connection: Connection) -> None:
            if not note.is_written:
                note.write(connection)
            connection.execute(update(idempotency).where(_is(attempt)).values(values))

        await self._database.write(work)

    async def sweep(self) -> int:
        """Forget what has expired, and what is beyond the bound; gives how many."""
        swept = 0
        while count := await self._sweep_some():
            swept += count
        return swept

    async def _sweep_some(self) -> int:
        now_ms = self._clock.wall_ms()
        row_id = (idempotency.c.org_id, idempotency.c.key_hash)
        oldest = select(*row_id, idempotency.c.expires_ms).order_by(idempotency.c.expires_ms).limit(_SWEPT_AT_A_TIME)
        rows, kept = await self._database.read(
            lambda connection: (
                connection.execute(oldest).all(),
                connection.scalar(select(func.count()).select_from(idempotency)) or 0,
            )
        )
        doomed = [
            (row.org_id, row.key_hash)
            for place, row in enumerate(rows)
            if row.expires_ms <= now_ms or place < kept - MAX_KEPT
        ]
        if not doomed:
            return 0
        change = delete(idempotency).where(tuple_(*row_id).in_(doomed))
        return await self._database.write(lambda connection: connection.execute(change).rowcount)


def digest(*parts: bytes) -> str:
    """SHA-256 of parts that cannot run into one another."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.hexdigest()


def _is(attempt: Attempt) -> Any:
    return (idempotency.c.org_id == attempt.org_id) & (idempotency.c.key_hash == attempt.key_hash)
