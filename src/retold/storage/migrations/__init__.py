"""Brings the database's schema to the version this program needs."""

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from retold.crash import crash_point

HEAD = "0001"
"""The newest revision in `versions/`; a test compares."""


def current_revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(select(column("version_num")).select_from(table("alembic_version")))


def upgrade(connection: Connection) -> bool:
    """Run the missing migrations in the caller's transaction; False when there were none.

    Alembic is imported only then: it takes longer than all the rest of a start.
    """
    if current_revision(connection) == HEAD:
        return False
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    crash_point("migrating")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
