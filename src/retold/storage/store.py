"""Everything the server keeps, by typed methods. What a tenant may see asks for the tenant's `org_id`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Select, bindparam, delete, select, update

from retold.clock import Clock
from retold.crash import crash_point
from retold.domain.audit import Act
from retold.domain.call import CallRecord
from retold.domain.call_query import CallQuery
from retold.domain.consequences import NO_CONSEQUENCES, Consequences
from retold.domain.privacy_report import PrivacyReport
from retold.domain.reasons import CallStatus
from retold.domain.statistics_request import StatisticsRequest
from retold.errors import ClaimLost, StorageError
from retold.ids import CallId, OrgId
from retold.storage import call_changes
from retold.storage.agents import AgentStore
from retold.storage.audit import note
from retold.storage.audit_log import AuditLog
from retold.storage.backend import Backend
from retold.storage.call_json import CallJson, StoredCall, call_json, list_json, record_of
from retold.storage.call_pages import WHOLE, CallPageJson, CallShape, find_page, stored_calls
from retold.storage.call_rows import rows_of
from retold.storage.call_summaries import Summaries
from retold.storage.call_writes import insert_call, replace_call, stored_record
from retold.storage.consequences import ConsequenceRows, rows_of_consequences
from retold.storage.database import Database
from retold.storage.disk import BALLAST_BYTES, Disk, StorageHealth
from retold.storage.erasures import Erasures
from retold.storage.file_links import FileLinks, UrlSigner
from retold.storage.flows import ComponentStore, FlowStore
from retold.storage.idempotency import Idempotency
from retold.storage.jobs import JobStore
from retold.storage.journal import DatabaseJournal
from retold.storage.keys import Keys
from retold.storage.llms import LlmStore
from retold.storage.master_key import MasterKey
from retold.storage.near import near_id
from retold.storage.numbers import NumberStore
from retold.storage.owners import Owners
from retold.storage.privacy_report import privacy_report
from retold.storage.secrets import Secrets
from retold.storage.sqlite import SqliteBackend
from retold.storage.tables import IS_UNFINISHED, call, call_body, call_event
from retold.storage.webhook_log import WebhookLog
from retold.storage.webhooks import WebhookStore


class Store:
    """The database of one data folder; every write returns once it is committed with fsync."""

    def __init__(self, database: Database, clock: Clock, data_dir: Path, master_key: str | None = None) -> None:
        self._database = database
        self.data_dir = data_dir
        self._clock = clock
        self.owners = Owners(database, data_dir, clock)
        self.idempotency = Idempotency(database, clock)
        sealing = MasterKey(data_dir, master_key)
        addresses = "signed addresses"
        self.url_signer = UrlSigner(lambda: sealing.derived(addresses), lambda: sealing.all_derived(addresses)[1:])
        self.erasures = Erasures(database, clock, lambda: sealing.derived("hashes of persons"))
        self.keys = Keys(database, clock, sealing)
        self.agents = AgentStore(database, clock)
        self.llms = LlmStore(database)
        self.flows = FlowStore(database)
        self.components = ComponentStore(database)
        self.numbers = NumberStore(database, sealing)
        self.secrets = Secrets(database, sealing)
        self.summaries = Summaries(database)
        self.audit_log = AuditLog(database, clock, data_dir)
        self.webhooks = WebhookStore(database, self.owners, clock)
        self.webhook_log = WebhookLog(database, self.webhooks, clock, self.links)
        self.jobs = JobStore(database, self.owners, clock)

    @classmethod
    async def open(  # noqa: PLR0913 - each a setting of its own, with a default
        cls,
        data_dir: Path,
        *,
        clock: Clock,
        database_url: str | None = None,
        disk: Disk | None = None,
        min_free_bytes: int = 0,
        ballast_bytes: int = BALLAST_BYTES,
        master_key: str | None = None,
    ) -> Self:
        """Make the folder if need be, migrate, and be ready. Raises StorageError.

        `database_url` names a PostgreSQL database; without it the data folder has one of SQLite. `master_key` is that
        of the settings, in hex; without it the data folder has one.
        """
        database = Database(
            data_dir,
            _backend(data_dir, database_url),
            clock=clock,
            disk=disk or Disk(),
            min_free_bytes=min_free_bytes,
            ballast_bytes=ballast_bytes,
        )
        await database.open()
        return cls(database, clock, data_dir, master_key)

    async def close(self) -> None:
        """Commit what is queued and close."""
        await self._database.close()

    @property
    def health(self) -> StorageHealth:
        """How the data folder's disk does."""
        return self._database.health

    @property
    def is_shared(self) -> bool:
        """Whether other servers may keep their calls in the same database."""
        return self._database.is_shared

    @property
    def outages(self) -> int:
        """How often the database server was away so far."""
        return self._database.outages

    @property
    def broken(self) -> anyio.Event:
        """Set once a write has failed for good: nothing is acknowledged any more, and the process must end."""
        return self._database.broken

    # --- calls ---

    async def create_call(self, record: CallRecord) -> None:
        """Keep a call; when this returns, no crash can lose it. Raises StorageFull when there is no room."""
        rows = rows_of(record)

        def work(connection: Connection) -> None:
            insert_call(connection, rows, self.owners.name)
            crash_point("create_in_transaction")

        await self._database.write(work, is_of_calls=True)
        crash_point("create_committed")

    async def change_call(
        self,
        org_id: OrgId,
        call_id: CallId,
        change: call_changes.Change,
        redact: call_changes.Redact | None = None,
        *,
        follows: Callable[[CallRecord], Consequences] | None = None,
        is_erasing: bool = False,
    ) -> CallRecord | None:
        """Change a call, and with `redact` its journal, in one go; None when there is none.

        `follows` says what follows from the changed call. With `is_erasing`, nothing of what was before can be read in
        the files afterwards. All three run in the writer's thread. Raises what they raise, and ClaimLost when the job
        that they end is another's by now; nothing is changed then.
        """

        def work(connection: Connection) -> CallRecord | None:
            changed = call_changes.change_call(connection, org_id, call_id, change, redact)
            if changed is not None and is_erasing:
                note(connection, org_id, Act.ERASE, "call", call_id)
            if changed is not None and follows is not None:
                consequences = follows(changed)
                if consequences.ended_job is not None and not self.jobs.end(connection, consequences.ended_job):
                    raise ClaimLost(f"the job {consequences.ended_job} is not this process's any more")
                self._rows_of(changed, consequences).write(connection)
                crash_point("change_in_transaction")
            return changed

        changed = await self._database.write(work, is_essential=True, is_erasing=is_erasing, is_of_calls=True)
        if follows is not None:
            crash_point("change_committed")
            self.webhooks.ring()
        return changed

    async def has_calls(self) -> bool:
        """Whether any organisation has a call."""
        one = select(call.c.call_id).limit(1)
        return await self._database.read(lambda connection: connection.scalar(one)) is not None

    async def find_call(self, org_id: OrgId | None, call_id: CallId) -> CallRecord | None:
        """A call of this organisation; `None` asks over all, for doors that the call's own secret opens."""
        wanted = _stored(org_id, call_id)

        def read(connection: Connection) -> CallRecord | None:
            row = connection.execute(wanted).first()
            return None if row is None else record_of(StoredCall(*row))

        return await self._database.read(read)

    async def near_call(self, org_id: OrgId, call_id: str) -> str | None:
        """The id of a call of this organisation that is almost this one, such as one of which the end was lost."""
        return await self._database.read(
            lambda connection: near_id(
                connection, call.c.call_id, call.c.org_id == org_id, call_id, shares=_SHARED_CHARS
            )
        )

    async def find_call_json(self, org_id: OrgId, call_id: CallId, base_url: str) -> CallJson | None:
        """A call of this organisation as the API shows it, its files under this address."""
        links = self.links(base_url)
        return await self._database.read_row(
            _STORED_OF_ORG,
            {"call_id": call_id, "org_id": org_id},
            lambda row: None if row is None else call_json(StoredCall(*row), links),
        )

    def links(self, base_url: str) -> FileLinks:
        """How the files of calls are shown now, under this address."""
        return FileLinks(base_url, self.url_signer, self._clock.wall_ms())

    async def list_calls(self, org_id: OrgId, query: CallQuery) -> list[CallRecord]:
        """One page of an organisation's calls."""

        def read(connection: Connection) -> list[CallRecord]:
            return [record_of(one) for one in stored_calls(connection, find_page(connection, org_id, query))]

        return await self._database.read(read)

    async def call_statistics(self, org_id: OrgId, request: StatisticsRequest) -> dict[str, Any]:
        """What is told of an organisation's calls together. Raises TooManyIntervals."""
        # numpy: a command that only wants a key need not load it.
        from retold.domain.call_statistics import statistics  # noqa: PLC0415 - as said
        from retold.storage.call_statistics import find_figures  # noqa: PLC0415 - as said

        return await self._database.read(
            lambda connection: statistics(find_figures(connection, org_id, request.conditions), request)
        )

    async def list_calls_json(
        self, org_id: OrgId, query: CallQuery, base_url: str, shape: CallShape = WHOLE
    ) -> CallPageJson:
        """The same page as blocks of one JSON array."""
        links = self.links(base_url)

        def read(connection: Connection) -> CallPageJson:
            page = find_page(connection, org_id, query)
            found = stored_calls(connection, page, has_transcripts=shape.has_transcripts)
            return CallPageJson(page, list_json(found, links, shape.text_of))

        return await self._database.read(read)

    async def start_call(
        self, call_id: CallId, start_timestamp: int, consequences: Consequences = NO_CONSEQUENCES
    ) -> bool:
        """From registered to ongoing, with what follows from it; False when the call is not registered any more."""

        def work(connection: Connection) -> bool:
            record = stored_record(connection, None, call_id)
            if record is None or record.call.call_status is not CallStatus.REGISTERED:
                return False
            change = {"call_status": CallStatus.ONGOING, "start_timestamp": start_timestamp}
            replace_call(connection, rows_of(with_call(record, **change)), record)
            self._rows_of(record, consequences).write(connection)
            # It may have been made by another server.
            connection.execute(update(call).where(call.c.call_id == call_id).values(server=self.owners.name))
            crash_point("start_in_transaction")
            return True

        is_started = await self._database.write(work, is_essential=True)
        crash_point("start_committed")
        self._ring(consequences)
        return is_started

    async def finish_call(
        self,
        record: CallRecord,
        *,
        expected: CallStatus | None = None,
        consequences: Consequences = NO_CONSEQUENCES,
    ) -> bool:
        """The terminal transaction: row in, what follows from the end in, journal out.

        False when the call is terminal already, or, with `expected`, in another status than that.
        """
        # A long call takes milliseconds to write down: not in the writer's thread, where all others wait.
        rows, following = await anyio.to_thread.run_sync(lambda: (rows_of(record), self._rows_of(record, consequences)))

        def work(connection: Connection) -> bool:
            before = stored_record(connection, None, record.call.call_id)
            if before is None or before.call.call_status.is_terminal:
                return False
            if expected is not None and before.call.call_status is not expected:
                return False
            replace_call(connection, rows, before)
            following.write(connection)
            connection.execute(delete(call_event).where(call_event.c.call_id == record.call.call_id))
            crash_point("terminal_in_transaction")
            return True

        is_finished = await self._database.write(work, is_essential=True)
        crash_point("terminal_committed")
        self._ring(consequences)
        return is_finished

    async def tell_of_call(self, record: CallRecord, consequences: Consequences) -> None:
        """Write what follows from a moment that changes nothing of a call; nothing for a call that is over or deleted.

        Raises StorageError.
        """
        following = await anyio.to_thread.run_sync(self._rows_of, record, consequences)
        is_going_on = select(call.c.row_id).where(call.c.call_id == record.call.call_id, IS_UNFINISHED)

        def work(connection: Connection) -> None:
            if connection.scalar(is_going_on) is not None:
                following.write(connection)

        await self._database.write(work, is_of_calls=True)
        self._ring(consequences)

    def _ring(self, consequences: Consequences) -> None:
        if consequences.events:
            self.webhooks.ring()
        if consequences.jobs:
            self.jobs.ring()

    def _rows_of(self, record: CallRecord, consequences: Consequences) -> ConsequenceRows:
        call_id, now_ms = record.call.call_id, self._clock.wall_ms()
        return rows_of_consequences(consequences, org_id=record.org_id, call_id=call_id, now_ms=now_ms)

    async def privacy_report(self, org_id: OrgId) -> PrivacyReport:
        """What is kept of an organisation's calls; of a million, it counts for a second."""
        database, now_ms = "postgresql" if self.is_shared else "sqlite", self._clock.wall_ms()
        return await self._database.read(
            lambda connection: privacy_report(connection, org_id, now_ms, database=database)
        )

    async def unfinished_calls(self) -> list[CallRecord]:
        """Every call of this server that is registered or ongoing, oldest first."""
        wanted = _STORED.where(IS_UNFINISHED).order_by(call.c.sort_ms)
        if self.owners.name is not None:
            wanted = wanted.where(call.c.server == self.owners.name)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [record_of(StoredCall(*row)) for row in rows]

    # --- journals ---

    def journal(self, call_id: CallId) -> DatabaseJournal:
        """The journal of a call that begins."""
        return DatabaseJournal(self._database, call_id)

    async def read_journal(self, call_id: CallId) -> list[bytes]:
        """The events on disk, in order."""
        wanted = select(call_event.c.event).where(call_event.c.call_id == call_id).order_by(call_event.c.seq)
        return list(await self._database.read(lambda connection: connection.scalars(wanted).all()))

    async def forget_journal(self, call_id: CallId) -> None:
        """Delete what was journaled of a call that has been deleted meanwhile."""
        mine = delete(call_event).where(call_event.c.call_id == call_id)
        await self._database.write(lambda connection: connection.execute(mine), is_essential=True, is_erasing=True)

    async def forget_stray_journals(self) -> int:
        """Delete events of calls that are over; gives how many. They stem from events appended after the end."""
        over = select(call.c.call_id).where(IS_UNFINISHED)
        strays = delete(call_event).where(call_event.c.call_id.not_in(over))
        return await self._database.write(lambda connection: connection.execute(strays).rowcount, is_essential=True)


def _backend(data_dir: Path, database_url: str | None) -> Backend:
    if database_url is None:
        return SqliteBackend(data_dir)
    try:
        # Its driver is an extra: only who asks for it needs it.
        from retold.storage.postgres import PostgresBackend  # noqa: PLC0415
    except ImportError as error:
        raise StorageError(f"PostgreSQL needs its driver ({error}): pip install 'retold[postgres]'") from error
    return PostgresBackend(database_url)


def with_call(record: CallRecord, **changes: object) -> CallRecord:
    """A record whose call has these fields changed."""
    return record.model_copy(update={"call": record.call.model_copy(update=changes)})


_SHARED_CHARS = 10
"""Of a call's id, `call_` and what narrows a million calls down to a few."""
_STORED = select(call_body.c.body, call_body.c.transcripts).join(call)
_STORED_OF_ORG = _STORED.where(call.c.call_id == bindparam("call_id"), call.c.org_id == bindparam("org_id"))


def _stored(org_id: OrgId | None, call_id: CallId) -> Select[str, bytes | None]:
    wanted = _STORED.where(call.c.call_id == call_id)
    return wanted if org_id is None else wanted.where(call.c.org_id == org_id)
