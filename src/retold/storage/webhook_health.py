"""Which webhooks are in trouble, read from outside: beside a running server, or without one; nothing is changed."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, NullPool, create_engine, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from retold.errors import StorageError
from retold.storage.webhook_tables import webhook_endpoint, webhook_event

MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class TroubledEndpoint:
    """A receiver that rests because it failed so often, or that has answered 410."""

    endpoint_id: str
    url: str
    failures: int
    """In a row."""
    is_disabled: bool
    waiting: int
    """Events that wait for it."""


def troubled_endpoints(data_dir: Path, database_url: str | None) -> Sequence[TroubledEndpoint]:
    """The first of them; none where there is no database, or one of an earlier version. Blocks. Raises StorageError."""
    path = data_dir / "retold.db"
    if database_url is None and not path.is_file():
        return []
    engine = _sqlite_engine(path) if database_url is None else _postgres_engine(database_url)
    columns = webhook_endpoint.c
    waiting = (
        select(func.count())
        .where(webhook_event.c.endpoint == columns.endpoint, webhook_event.c.state == "pending")
        .scalar_subquery()
    )
    serious = or_(columns.open_until_ms.is_not(None), columns.disabled_ms.is_not(None))
    wanted = select(columns.endpoint, columns.url, columns.failures, columns.disabled_ms.is_not(None), waiting)
    try:
        with engine.connect() as connection:
            if not engine.dialect.has_table(connection, webhook_endpoint.name):
                return []
            rows = connection.execute(wanted.where(serious).order_by(columns.url).limit(MAX_NAMED)).all()
    except SQLAlchemyError as error:
        raise StorageError(f"the database cannot be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    return [TroubledEndpoint(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows]


def _sqlite_engine(path: Path) -> Engine:
    # One that cannot write does not checkpoint either, when it is the last to close.
    address = f"file:{quote(str(path))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)


def _postgres_engine(url: str) -> Engine:
    from retold.storage.postgres import copying_engine  # noqa: PLC0415 - its driver is an extra

    return copying_engine(url, is_read_only=True)
