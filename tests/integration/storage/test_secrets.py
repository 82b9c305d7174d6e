"""The master key is changed while servers read and write secrets: nothing is unreadable at any moment."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from retold.clock import SystemClock
from retold.domain.api_key import NewKey
from retold.domain.page import PageQuery
from retold.domain.phone_number import PhoneNumber
from retold.errors import StorageError
from retold.ids import DEFAULT_ORG_ID
from retold.storage import secrets
from retold.storage.secrets import SealedSecrets
from retold.storage.store import Store

pytestmark = pytest.mark.anyio

WEBHOOK_KEY = NewKey(is_webhook_key=True)


async def opened(folder: Path, url: str | None, master_key: str | None = None) -> Store:
    return await Store.open(folder, clock=SystemClock(), database_url=url, ballast_bytes=4096, master_key=master_key)


@pytest.fixture
async def store(tmp_path: Path, database_url: str | None) -> AsyncGenerator[Store]:
    one = await opened(tmp_path, database_url)
    await one.keys.create(DEFAULT_ORG_ID, "key_of_this_test", WEBHOOK_KEY)
    yield one
    await one.close()


def number(n: int) -> PhoneNumber:
    shape = {"phone_number": f"+1415555{n:04}", "phone_number_type": "custom", "last_modification_timestamp": 1}
    return PhoneNumber.model_validate(shape | {"sip_outbound_trunk_config": {"termination_uri": "sip.example.com"}})


async def test_every_secret_is_sealed_under_the_new_key_and_the_old_one_is_forgotten(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "AT_A_TIME", 2)
    for n in range(5):
        await store.numbers.create(DEFAULT_ORG_ID, number(n), f"password {n}")
    old = (tmp_path / "master.key").read_text()
    key = store.secrets.master_key
    assert await store.secrets.count() == SealedSecrets(current=6)

    key.begin_change()
    key.begin_change()
    assert (tmp_path / "master.key").read_text().split()[1:] == [old]
    assert await store.secrets.count() == SealedSecrets(former=6)
    assert await store.secrets.reseal() == 6
    assert await store.secrets.reseal() == 0
    key.end_change()
    assert old not in (tmp_path / "master.key").read_text()
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert await store.secrets.count() == SealedSecrets(current=6)
    assert await store.keys.webhook_secret(DEFAULT_ORG_ID) == "key_of_this_test"
    assert [await store.numbers.password(DEFAULT_ORG_ID, number(n).phone_number) for n in range(5)] == [
        f"password {n}" for n in range(5)
    ]
    told = (await store.audit_log.page(DEFAULT_ORG_ID, PageQuery(limit=10))).items
    assert {entry.act for entry in told[:3]} == {"rotate"}


async def test_another_server_reads_and_writes_secrets_all_the_while(
    tmp_path: Path, store: Store, database_url: str | None
) -> None:
    other = await opened(tmp_path, database_url)
    is_over = anyio.Event()
    looks = 0

    async def load() -> None:
        nonlocal looks
        while not is_over.is_set() or looks < 10:
            assert await other.keys.webhook_secret(DEFAULT_ORG_ID) == "key_of_this_test"
            # What is sealed in the middle of a change must be readable after it.
            name = number(looks)
            await other.numbers.create(DEFAULT_ORG_ID, name, f"password {looks}")
            looks += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load)
        for _ in range(3):
            store.secrets.master_key.begin_change()
            await store.secrets.reseal()
        is_over.set()
    # Nobody seals any more: what the former key had sealed meanwhile follows.
    await store.secrets.reseal()
    store.secrets.master_key.end_change()
    for n in range(looks):
        assert await other.numbers.password(DEFAULT_ORG_ID, number(n).phone_number) == f"password {n}"
    assert (await store.secrets.count()) == SealedSecrets(current=looks + 1)
    await other.close()


async def test_a_change_that_was_cut_off_goes_on(
    tmp_path: Path, store: Store, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "AT_A_TIME", 1)
    await store.numbers.create(DEFAULT_ORG_ID, number(1), "password")
    store.secrets.master_key.begin_change()
    with monkeypatch.context() as patched:
        patched.setattr(secrets, "crash_point", cut_off)
        with pytest.raises(RuntimeError):
            await store.secrets.reseal()
    again = await opened(tmp_path, database_url)
    assert (await again.secrets.count()).former >= 1
    again.secrets.master_key.begin_change()
    await again.secrets.reseal()
    assert await again.secrets.count() == SealedSecrets(current=2)
    again.secrets.master_key.end_change()
    assert await store.numbers.password(DEFAULT_ORG_ID, number(1).phone_number) == "password"
    await again.close()


async def test_a_key_of_the_settings_is_changed_by_naming_both(tmp_path: Path, database_url: str | None) -> None:
    old, new = "0f" * 32, "1f" * 32
    first = await opened(tmp_path, database_url, old)
    await first.keys.create(DEFAULT_ORG_ID, "key_of_this_test", WEBHOOK_KEY)
    await first.close()
    both = await opened(tmp_path, database_url, f"{new},{old}")
    assert await both.keys.webhook_secret(DEFAULT_ORG_ID) == "key_of_this_test"
    assert await both.secrets.reseal() == 1
    await both.close()
    after = await opened(tmp_path, database_url, new)
    assert await after.keys.webhook_secret(DEFAULT_ORG_ID) == "key_of_this_test"
    await after.close()
    before = await opened(tmp_path, database_url, old)
    with pytest.raises(StorageError, match="another master key"):
        await before.keys.webhook_secret(DEFAULT_ORG_ID)
    assert await before.secrets.count() == SealedSecrets(lost=1)
    assert await before.secrets.reseal() == 0
    await before.close()


async def test_an_address_signed_before_the_change_is_served_until_its_end(store: Store) -> None:
    query = dict(part.split("=") for part in store.url_signer.query("/files/s1/x", 10).removeprefix("?").split("&"))
    assert store.url_signer.is_good("/files/s1/x", query, 9)
    store.secrets.master_key.begin_change()
    assert store.url_signer.is_good("/files/s1/x", query, 9)
    store.secrets.master_key.end_change()
    assert not store.url_signer.is_good("/files/s1/x", query, 9)


def cut_off(name: str) -> None:
    if name == "secrets_in_transaction":
        raise RuntimeError(name)
