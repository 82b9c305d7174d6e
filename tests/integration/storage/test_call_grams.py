"""The index of pieces is put together little by little, and finds what it should."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from retold.clock import SystemClock
from retold.ids import DEFAULT_ORG_ID
from retold.storage.store import Store
from support.stored import make_record

pytestmark = pytest.mark.anyio


async def test_it_is_whole_after_many_calls_and_none_waits_for_all(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=SystemClock(), ballast_bytes=4096)
    await store.keys.create(DEFAULT_ORG_ID, "key_1")
    records = [make_record() for _ in range(60)]
    for record in records:
        await store.create_call(record)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "retold.db")) as connection:
        assert connection.execute("SELECT v FROM call_gram_config WHERE k = 'automerge'").fetchone() == (0,)
        connection.execute("INSERT INTO call_gram (call_gram) VALUES ('integrity-check')")
        pieces = connection.execute("SELECT count(DISTINCT segid) FROM call_gram_idx").fetchone()[0]
        found = connection.execute("SELECT rowid FROM call_gram WHERE call_gram MATCH 'call_id : cal'").fetchall()
    assert pieces < len(records) / 2
    assert len(found) == len(records)
