import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from retold.clock import SystemClock
from retold.domain.call import CallRecord
from retold.domain.call_filter import ListCallsV3
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage import migrations
from retold.storage.sqlite import writer_engine
from retold.storage.store import Store
from retold.storage.tables import metadata

DATA = Path(__file__).resolve().parents[2] / "data"
BORN_MS = 1_790_000_000_000


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
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


@pytest.mark.anyio
async def test_every_call_of_the_first_schema_is_kept(first_schema: Path) -> None:
    before = bodies(first_schema / "retold.db")
    store = await Store.open(first_schema, clock=SystemClock(), ballast_bytes=4096)
    for call_id, body in before.items():
        record = await store.find_call(None, CallId(call_id))
        assert record == CallRecord.model_validate_json(body)
    assert len(before) == 8
    unfinished = await store.unfinished_calls()
    assert [record.call.call_id for record in unfinished] == [call_id_of(6), call_id_of(7)]
    assert await store.read_journal(CallId(call_id_of(7))) == [b'{"t":"x"}']
    await store.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"agent": [{"agent_id": "agent_first", "version": [1]}]}, [7, 5, 3, 1]),
        ({"call_status": {"type": "enum", "op": "in", "value": ["error"]}}, [4, 2]),
        ({"disconnection_reason": {"type": "enum", "op": "in", "value": ["error_asr"]}}, [4, 2]),
        ({"from_number": {"type": "string", "op": "ew", "value": "0106"}}, [6]),
        ({"call_id": {"type": "string", "op": "co", "value": "00003"}}, [3]),
        ({"start_timestamp": {"type": "number", "op": "ge", "value": BORN_MS + 4_500}}, [7, 5, 4]),
        ({"duration_ms": {"type": "range", "op": "bt", "value": [20_000, 30_000]}}, [3, 2]),
        ({"e2e_latency_p50": {"type": "number", "op": "lt", "value": 403}}, [2, 1]),
        ({"metadata": [{"type": "number", "op": "ge", "value": 4, "key": "number"}]}, [5, 4]),
        ({"metadata": [{"type": "boolean", "op": "eq", "value": True, "key": "is_vip"}]}, [5]),
        ({"dynamic_variables": [{"type": "string", "op": "eq", "value": "n2", "key": "name"}]}, [2]),
        ({"tool_calls": [{"name": "find_table", "success": {"type": "boolean", "op": "eq", "value": True}}]}, [4, 2]),
    ],
    ids=str,
)
async def test_calls_of_the_first_schema_are_found(
    first_schema: Path, wanted: dict[str, Any], expected: list[int]
) -> None:
    store = await Store.open(first_schema, clock=SystemClock(), ballast_bytes=4096)
    query = ListCallsV3.model_validate({"filter_criteria": wanted, "include_total": True}).query()
    found = [record.call.call_id for record in await store.list_calls(DEFAULT_ORG_ID, query)]
    await store.close()
    assert found == [call_id_of(number) for number in expected]


@pytest.fixture
def first_schema(tmp_path: Path) -> Path:
    """A data folder of the first schema with eight calls, the last one of another organisation."""
    shutil.copy(DATA / "schema-0001.db", tmp_path / "retold.db")
    return tmp_path


def bodies(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    found = dict(connection.execute("SELECT call_id, body FROM call").fetchall())
    connection.close()
    return found


def call_id_of(number: int) -> str:
    return f"call_{number:027x}"
