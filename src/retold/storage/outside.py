"""A database as it is read from outside: beside a running server, or without one; nothing can be changed."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, NullPool, create_engine


def read_only_engine(data_dir: Path, database_url: str | None) -> Engine | None:
    """An engine on the database of these settings; None when the data folder has none yet.

    Raises ImportError without the driver of PostgreSQL.
    """
    if database_url is not None:
        from retold.storage.postgres import copying_engine  # noqa: PLC0415 - its driver is an extra

        return copying_engine(database_url, is_read_only=True)
    path = data_dir / "retold.db"
    if not path.is_file():
        return None
    # One that cannot write does not checkpoint either, when it is the last to close.
    address = f"file:{quote(str(path))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool)
