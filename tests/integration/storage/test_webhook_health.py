"""Webhooks in trouble, as `retold doctor` names them beside a running server or without one."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from retold.cli.webhook_checks import check_webhooks
from retold.clock import SystemClock
from retold.domain.consequences import Consequences, NewEvent
from retold.domain.webhook_events import endpoint_of
from retold.domain.webhook_schedule import FAILURES_TO_OPEN
from retold.ids import DEFAULT_ORG_ID, CallId, new_event_id
from retold.settings import Settings
from retold.storage.store import Store
from retold.storage.webhooks import Attempt
from support.stored import BORN_MS, make_record

pytestmark = pytest.mark.anyio

FAILED = Attempt(at_ms=BORN_MS, took_ms=1, status=500, error=None, reply=b"")


@pytest.fixture
async def store(tmp_path: Path, database_url: str | None) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, database_url=database_url, clock=SystemClock(), ballast_bytes=4096)
    await opened.keys.create(DEFAULT_ORG_ID, "key_1")
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "database_url": database_url})


async def announce(store: Store, url: str) -> None:
    record = make_record()
    await store.create_call(record)
    event = NewEvent(
        event_id=new_event_id(),
        event="call_ended",
        endpoint=endpoint_of(DEFAULT_ORG_ID, url),
        url=url,
        timeout_ms=10_000,
        at_ms=BORN_MS,
        call=b"{}",
        files_token="token",
    )

    def follows(_record: object) -> Consequences:
        return Consequences(events=(event,))

    await store.change_call(DEFAULT_ORG_ID, CallId(record.call.call_id), lambda same: same, follows=follows)


def told(settings: Settings) -> list[tuple[str, str, str | None]]:
    return [(finding.state, finding.detail, finding.fix) for finding in check_webhooks(settings)]


async def test_webhooks_that_rest_or_are_gone_are_named(store: Store, settings: Settings) -> None:
    assert told(settings) == [("ok", "none is in trouble", None)]
    await announce(store, "https://a.example.com/hook?token=secret")
    for _ in range(FAILURES_TO_OPEN - 1):
        [event] = (await store.webhooks.claim(9, ())).events
        await store.webhooks.failed(event, FAILED, 0)
    assert told(settings) == [("ok", "none is in trouble", None)], "it is still tried as ever"
    [event] = (await store.webhooks.claim(9, ())).events
    await store.webhooks.failed(event, FAILED, 0)
    await announce(store, "https://b.example.com/hook")
    [event] = (await store.webhooks.claim(9, ())).events
    await store.webhooks.gone(event, FAILED)
    resting, gone = told(settings)
    assert resting[:2] == ("warning", "https://a.example.com/hook failed 10 times in a row; 1 event waits")
    assert gone == (
        "warning",
        "https://b.example.com/hook has answered 410: nothing is sent there",
        f"retold webhooks enable {event.endpoint}",
    )


def test_without_a_database_all_is_well(tmp_path: Path) -> None:
    assert told(Settings(data_dir=tmp_path / "none")) == [("ok", "none is in trouble", None)]
    assert not (tmp_path / "none").exists()


def test_a_database_that_cannot_be_read_is_told_of_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "retold.db").write_bytes(b"this is no database" * 100)
    assert told(Settings(data_dir=tmp_path)) == []
