from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from retold.storage import migrations
from retold.storage.connections import writer_engine
from retold.storage.tables import metadata


def test_migrations_lead_to_the_tables_of_the_program(tmp_path: Path) -> None:
    engine = writer_engine(tmp_path / "retold.db")
    with engine.begin() as connection:
        assert migrations.current_revision(connection) is None
        assert migrations.upgrade(connection)
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
