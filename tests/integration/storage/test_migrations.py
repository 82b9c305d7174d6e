from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from retold.storage import migrations
from retold.storage.sqlite import writer_engine
from retold.storage.tables import metadata


@pytest.mark.parametrize("make", [migrations.upgrade, migrations.migrate], ids=["at once", "step by step"])
def test_every_way_leads_to_the_tables_of_the_program(
    tmp_path: Path, make: Callable[[Connection], object], database_url: str | None
) -> None:
    engine = (
        writer_engine(tmp_path / "retold.db")
        if database_url is None
        else create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    )
    with engine.begin() as connection:
        assert migrations.current_revision(connection) is None
        make(connection)
        assert migrations.current_revision(connection) == migrations.HEAD
        assert not migrations.upgrade(connection)
        assert differences(connection) == []
    engine.dispose()


def test_the_program_knows_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection), metadata)
