"""Brings the database's schema to the version this program needs."""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from retold.crash import crash_point
from retold.storage import (
    access_tables,
    audit_tables,
    call_tables,
    job_tables,
    privacy_tables,
    resource_tables,
    webhook_tables,
)
from retold.storage.tables import limit_indexes, metadata

HEAD = "0017"
"""The newest revision in `versions/`; a test compares."""

_TABLES_OF_THEIR_OWN = (
    access_tables,
    audit_tables,
    call_tables,
    job_tables,
    privacy_tables,
    resource_tables,
    webhook_tables,
)
"""Modules that add tables to `metadata`: importing them is what it takes."""

alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own table, as Alembic makes it."""


def current_revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(select(alembic_version.c.version_num))


def upgrade(connection: Connection) -> bool:
    """Bring the schema to HEAD in the caller's transaction; False when it is there.

    An empty database gets the tables as they are today, and a test holds them equal to what the migrations make.
    Alembic is imported only to migrate: it takes longer, and more memory, than all the rest of a start.
    """
    revision = current_revision(connection)
    if revision == HEAD:
        return False
    crash_point("migrating")
    if revision is None:
        if connection.dialect.name != "sqlite":
            limit_indexes(connection.dialect.name)
        metadata.create_all(connection)
        alembic_version.create(connection)
        connection.execute(alembic_version.insert().values(version_num=HEAD))
        return True
    migrate(connection)
    return True


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, from the first one on if need be."""
    from alembic import command  # noqa: PLC0415 - see upgrade()
    from alembic.config import Config  # noqa: PLC0415 - see upgrade()

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
