"""The audit log on both databases: an entry with each change, none without, and an altered one found."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import anyio
import psycopg
import pytest

from retold.domain.agent import AgentTag
from retold.domain.api_key import KeyChanges
from retold.domain.audit import Actor, AuditEntry
from retold.domain.erasure import ErasureKind
from retold.domain.page import PageQuery, parse_place
from retold.domain.webhook_events import OrgWebhook
from retold.errors import Conflict
from retold.ids import DEFAULT_ORG_ID, CallId, KeyId
from retold.storage.audit import acting
from retold.storage.audit_log import SAME_READING_MS
from retold.storage.files import folder_of
from retold.storage.store import Store
from support.call_house import HandClock
from support.postgres import PostgresServer
from support.stored import make_agent, make_record

pytestmark = pytest.mark.anyio

ANNA = Actor("command", "anna")
EVERYTHING = PageQuery(limit=1000, is_descending=False)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock, database_url: str | None) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, clock=clock, database_url=database_url, ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    yield opened
    await opened.close()


async def entries(store: Store) -> list[AuditEntry]:
    return list((await store.audit_log.page(DEFAULT_ORG_ID, EVERYTHING)).items)


def acts(found: list[AuditEntry]) -> list[str]:
    return [f"{entry.act} {entry.object_type}" for entry in found]


async def test_each_change_is_told_with_who_made_it(store: Store, clock: HandClock) -> None:
    clock.pass_ms(5)
    with acting(ANNA):
        await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_name="Ann"))
        await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_name="Bea"))
        await store.agents.put_tag(DEFAULT_ORG_ID, "agent_test", "prod", AgentTag(0, {}), 1)
        await store.agents.delete_tag(DEFAULT_ORG_ID, "agent_test", "prod")
        await store.agents.create_version(DEFAULT_ORG_ID, "agent_test", 0, 1)
        await store.agents.delete_version(DEFAULT_ORG_ID, "agent_test", 1)
        await store.agents.delete(DEFAULT_ORG_ID, "agent_test", 1)
        key = await store.keys.create(DEFAULT_ORG_ID, "key_another_of_this_test")
        await store.keys.change(DEFAULT_ORG_ID, key.api_key_id, KeyChanges(api_key_name="shop"))
        await store.keys.roll(DEFAULT_ORG_ID, key.api_key_id, "key_third_of_this_test", 0)
        await store.keys.revoke(DEFAULT_ORG_ID, key.api_key_id)
        record = make_record()
        await store.create_call(record)
        await store.change_call(DEFAULT_ORG_ID, CallId(record.call.call_id), lambda one: one, is_erasing=True)
        proof = await store.erasures.begin(DEFAULT_ORG_ID, ErasureKind.CALL)
        await store.erasures.erase(DEFAULT_ORG_ID, [CallId(record.call.call_id)], proof)
        await store.webhooks.set_org_webhook(DEFAULT_ORG_ID, OrgWebhook(url="https://hooks.example/x"))
    found = await entries(store)
    assert acts(found) == [
        "create api_key",
        "create agent",
        "update agent",
        "create agent_tag",
        "delete agent_tag",
        "create agent",
        "delete agent",
        "delete agent",
        "create api_key",
        "update api_key",
        "roll api_key",
        "revoke api_key",
        "erase call",
        "delete call",
        "update organisation",
    ]
    assert found[0].actor == Actor("server")
    assert {entry.actor for entry in found[1:]} == {ANNA}
    assert {entry.at_ms for entry in found[1:]} == {clock.wall_ms()}
    assert found[2].wire()["changes"] == {"version 0.agent_name": ["Ann", "Bea"]}
    of_key = (await store.audit_log.page(DEFAULT_ORG_ID, EVERYTHING, key.api_key_id)).items
    assert acts(list(of_key)) == ["create api_key", "update api_key", "roll api_key", "revoke api_key"]
    assert "key_another_of_this_test" not in str(found)
    assert (await store.audit_log.verify(DEFAULT_ORG_ID)).is_good


async def test_what_fails_is_not_told(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    assert not await store.keys.revoke(DEFAULT_ORG_ID, KeyId("key_none"))
    assert acts(await entries(store)) == ["create api_key"]


async def test_pages_of_the_log_follow_each_other(store: Store) -> None:
    for n in range(5):
        await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_name=str(n)))
    seen: list[int] = []
    query: PageQuery | None = PageQuery(limit=4)
    while query is not None:
        page = await store.audit_log.page(DEFAULT_ORG_ID, query)
        seen += [entry.sequence for entry in page.items]
        last = page.items[-1].sequence
        query = None if page.pagination_key is None else PageQuery(limit=4, after=parse_place(page.pagination_key))
        assert query is None or last > 1
    assert seen == [6, 5, 4, 3, 2, 1]


def alter(folder: Path, url: str | None, statement: str) -> None:
    """Change rows behind the back of the server."""
    if url is None:
        with closing(sqlite3.connect(folder / "retold.db", isolation_level=None)) as connection:
            connection.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_an_altered_or_missing_entry_is_found(tmp_path: Path, store: Store, database_url: str | None) -> None:
    for n in range(4):
        await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_name=str(n)))
    good = await store.audit_log.verify(DEFAULT_ORG_ID)
    assert (good.entries, good.fault) == (5, None)
    assert (await store.audit_log.verify(DEFAULT_ORG_ID, good.head)).is_good

    alter(tmp_path, database_url, "DELETE FROM audit WHERE sequence = 5")
    # The chain alone cannot know of what came behind: a hash that was kept elsewhere does.
    assert (await store.audit_log.verify(DEFAULT_ORG_ID)).is_good
    assert not (await store.audit_log.verify(DEFAULT_ORG_ID, good.head)).is_good
    alter(tmp_path, database_url, "UPDATE audit SET object_id = 'another' WHERE sequence = 3")
    assert (await store.audit_log.verify(DEFAULT_ORG_ID)).fault == 3


async def test_a_file_that_is_read_is_told_once_a_minute_for_each_address(store: Store, clock: HandClock) -> None:
    record = make_record(metadata={"files_token": "another"})
    await store.create_call(record)
    folder_of(store.data_dir, record.files_token).mkdir(parents=True)
    for ip in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        await store.audit_log.note_reading(record.files_token, "recording.wav", ip)
    clock.pass_ms(SAME_READING_MS)
    await store.audit_log.note_reading(record.files_token, "recording.wav", "192.0.2.1")
    await store.audit_log.note_reading("0" * 32, "recording.wav", "192.0.2.1")
    found = (await entries(store))[1:]
    assert [(entry.object_id, entry.actor.ip) for entry in found] == [
        (record.call.call_id, "192.0.2.1"),
        (record.call.call_id, "192.0.2.2"),
        (record.call.call_id, "192.0.2.1"),
    ]
    assert found[0].wire()["changes"] == {"file": [None, "recording.wav"]}


async def test_servers_that_share_a_database_add_to_one_chain(
    tmp_path: Path, clock: HandClock, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    first = await Store.open(tmp_path / "a", clock=clock, database_url=url, ballast_bytes=4096)
    await first.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    second = await Store.open(tmp_path / "b", clock=clock, database_url=url, ballast_bytes=4096)

    async def save(store: Store, name: str) -> None:
        for n in range(10):
            await store.agents.save(DEFAULT_ORG_ID, make_agent(agent_id=f"agent_{name}", agent_name=str(n)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(save, first, "a")
        tasks.start_soon(save, second, "b")
    verdict = await first.audit_log.verify(DEFAULT_ORG_ID)
    assert (verdict.entries, verdict.fault) == (21, None)
    await second.close()
    await first.close()
