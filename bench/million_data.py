"""Data folders that hold so many ended calls; made once, kept under .cache/bench.

`python bench/million_data.py 1000000 [postgresql]` only makes one; interrupted, it goes on where it was.
"""

import contextlib
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, create_engine, delete, event, func, insert, select, text

BENCH = Path(__file__).resolve().parent
sys.path.append(str(BENCH.parent / "tests"))

from million_calls import DISTINCT, numbered  # noqa: E402 - after the path is set
from million_repeat import repeat  # noqa: E402 - after the path is set
from retold.ids import DEFAULT_ORG_ID  # noqa: E402 - after the path is set
from retold.storage.call_block_writes import due_blocks, last_certain  # noqa: E402 - after the path is set
from retold.storage.call_rows import CallRows  # noqa: E402 - after the path is set
from retold.storage.call_summaries import summarise  # noqa: E402 - after the path is set
from retold.storage.call_tables import call_bitmap, call_block, call_span  # noqa: E402 - after the path is set
from retold.storage.call_writes import remove_call  # noqa: E402 - after the path is set
from retold.storage.migrations import HEAD  # noqa: E402 - after the path is set
from retold.storage.postgres import PostgresBackend  # noqa: E402 - after the path is set
from retold.storage.sqlite import SqliteBackend, writer_engine  # noqa: E402 - after the path is set
from retold.storage.tables import call, call_attribute, call_body, call_tool, limit_indexes, org  # noqa: E402 - after the path is set
from support.postgres import postgres_server  # noqa: E402 - after the path is set

CACHE = BENCH.parent / ".cache" / "bench" / "calls"
BATCH = 5_000
_READ_BYTES = 4 * 1024 * 1024
TABLES = (call, call_body, call_attribute, call_tool)
_SQLITE = (
    "synchronous = OFF",
    "cache_size = -1000000",
    "wal_autocheckpoint = 20000",
    "foreign_keys = OFF",
    "threads = 2",
    "temp_store = MEMORY",
)
"""For filling only: a machine that fails meanwhile costs the file, and it is made anew."""
_POSTGRES = ("shared_buffers=1GB", "max_wal_size=4GB", "maintenance_work_mem=512MB", "max_connections=50")
_UNCHECKED = "SET session_replication_role = replica"
"""Foreign keys are not looked up for each row."""


@dataclass(frozen=True, slots=True)
class Place:
    """A data folder with calls, and where their rows are."""

    data_dir: Path
    database_url: str | None

    @property
    def settings(self) -> dict[str, str]:
        """For the server's environment."""
        return {} if self.database_url is None else {"RETOLD_DATABASE_URL": self.database_url}

    def engine(self) -> Engine:
        """A connection for when no server runs."""
        if self.database_url is None:
            return writer_engine(self.data_dir / "retold.db")
        return create_engine(self.database_url.replace("postgresql:", "postgresql+psycopg:"))


@contextmanager
def place_with(calls: int, *, is_postgres: bool = False) -> Generator[Place]:
    """A place with this many ended calls: makes what is missing, and takes away what is added meanwhile.

    One that an older schema was made for is brought up to date in place; its name keeps telling what it began as.
    """
    kind = f"{'postgresql' if is_postgres else 'sqlite'}-{calls}"
    older = sorted(CACHE.glob(f"[0-9]*-{kind}"))
    folder = older[-1] if older else CACHE / f"{HEAD}-{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    with _place(folder, is_postgres=is_postgres) as place:
        _make_tables(place)
        if not (folder / "complete").exists():
            _fill(place, calls)
            (folder / "complete").touch()
        _trim(place, calls)
        _summarise(place)
        _tidy(place)
        yield place
        _trim(place, calls)


def read_once(place: Place) -> None:
    """Have the system's memory hold all files, as it does those of a server that has run for a while."""
    for path in place.data_dir.parent.rglob("*"):
        # A database server removes some of its files while it runs.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                with path.open("rb", buffering=0) as file:
                    while file.read(_READ_BYTES):
                        pass


@contextmanager
def _place(folder: Path, *, is_postgres: bool) -> Generator[Place]:
    if is_postgres:
        with postgres_server(folder / "server", _POSTGRES) as server:
            yield Place(folder / "data", server.database("calls"))
    else:
        yield Place(folder / "data", None)


def _fill(place: Place, calls: int) -> None:
    engine = place.engine()
    if place.database_url is None:
        event.listen(engine, "connect", _hurry)
    else:
        limit_indexes("postgresql")
    indexes = [index for table in TABLES for index in table.indexes]
    if _last(engine) < calls:
        with engine.begin() as connection:
            for index in indexes:
                index.drop(connection, checkfirst=True)
    while (first := _last(engine) + 1) <= calls:
        last = min(first + BATCH - 1, calls)
        with engine.begin() as connection:
            if first > DISTINCT:
                repeat(connection, first, last)
            elif place.database_url is None:
                _insert(connection, list(numbered(first, last)))
            else:
                _copy_from_sqlite(connection, calls, first, last)
        _tell(f"{last} calls")
    for index in indexes:
        _tell(str(index.name))
        with engine.begin() as connection:
            index.create(connection, checkfirst=True)
    if place.database_url is not None:
        _settle(engine)
    engine.dispose()


def _make_tables(place: Place) -> None:
    place.data_dir.mkdir(mode=0o700, exist_ok=True)
    backend = SqliteBackend(place.data_dir) if place.database_url is None else PostgresBackend(place.database_url)
    backend.close(*backend.open())


def _hurry(connection: Any, _: object) -> None:
    for pragma in _SQLITE:
        connection.cursor().execute(f"PRAGMA {pragma}")


def _last(engine: Engine) -> int:
    with engine.begin() as connection:
        if connection.scalar(select(org.c.org_id)) is None:
            connection.execute(insert(org).values(org_id=DEFAULT_ORG_ID, name=DEFAULT_ORG_ID, created_ms=0))
        return connection.scalar(select(func.max(call.c.row_id))) or 0


def _insert(connection: Connection, several: Sequence[tuple[int, CallRows]]) -> None:
    rows: dict[Table, list[dict[str, Any]]] = {
        call: [{"row_id": row_id, **one.call} for row_id, one in several],
        call_body: [{"row_id": row_id, **one.stored._asdict()} for row_id, one in several],
        call_attribute: [{"row_id": row_id, **attribute} for row_id, one in several for attribute in one.attributes],
        call_tool: [{"row_id": row_id, **tool} for row_id, one in several for tool in one.tools],
    }
    for table, of_table in rows.items():
        connection.execute(insert(table), of_table)


def _copy_from_sqlite(connection: Connection, calls: int, first: int, last: int) -> None:
    """What was made for SQLite already."""
    with place_with(calls) as place:
        engine = place.engine()
        with engine.begin() as source:
            connection.execute(text(_UNCHECKED))
            for table in TABLES:
                rows = source.execute(select(table).where(table.c.row_id.between(first, last))).mappings().all()
                _copy(connection, table, rows)
        engine.dispose()


def _copy(connection: Connection, table: Table, rows: Sequence[RowMapping]) -> None:
    """PostgreSQL's way for many rows."""
    names = [column.name for column in table.c]
    driver: Any = connection.connection.cursor()
    with driver.copy(f'COPY "{table.name}" ({", ".join(names)}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def _summarise(place: Place) -> None:
    """What a server does in the background, a minute after it is started."""
    engine = place.engine()
    with engine.begin() as connection:
        last_row_id = last_certain(connection)
    with engine.begin() as connection:
        due = due_blocks(connection, last_row_id)
    for number, one in enumerate(due):
        if number % 50 == 0:
            _tell(f"{len(due) - number} blocks to summarise")
        with engine.begin() as connection:
            summarise(connection, one)
    if due and place.database_url is not None:
        _vacuum(engine, call_block, call_span, call_bitmap)
    engine.dispose()


def _tidy(place: Place) -> None:
    """Have what was deleted leave the indexes too: PostgreSQL does it by itself in time, on a small table soon."""
    if place.database_url is not None:
        engine = place.engine()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in TABLES:
                connection.execute(text(f'VACUUM (INDEX_CLEANUP ON) "{table.name}"'))
        engine.dispose()


def _settle(engine: Engine) -> None:
    """What PostgreSQL does by itself in time."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        last = select(func.max(call.c.row_id)).scalar_subquery()
        connection.execute(select(func.setval(func.pg_get_serial_sequence("call", "row_id"), last)))
    _vacuum(engine, *TABLES)


def _vacuum(engine: Engine, *tables: Table) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            _tell(f"vacuum {table.name}")
            connection.execute(text(f'VACUUM ANALYZE "{table.name}"'))


def _trim(place: Place, calls: int) -> None:
    """Delete the calls that a bench has made."""
    engine = place.engine()
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for call_id in connection.scalars(select(call.c.call_id).where(call.c.row_id > calls)).all():
                remove_call(connection, call_id)
        else:
            connection.execute(delete(call).where(call.c.row_id > calls))
        found = connection.scalar(select(func.count()).select_from(call))
    engine.dispose()
    assert found == calls, f"{found} calls in {place.data_dir} where {calls} should be; remove it, it is made anew"
    for name in ("files", "spool"):
        shutil.rmtree(place.data_dir / name, ignore_errors=True)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    with place_with(int(sys.argv[1]), is_postgres=sys.argv[2:] == ["postgresql"]) as made:
        print(made.data_dir)
