"""Which webhooks are in trouble, read from outside: beside a running server, or without one; nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from retold.errors import StorageError
from retold.storage.outside import read_only_engine
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
    engine = read_only_engine(data_dir, database_url)
    if engine is None:
        return []
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
