"""API keys on a real database: roll, expiry, what is remembered, and what lies on the disk."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from retold.domain.api_key import KeyChanges, NewKey
from retold.domain.scopes import ALL_SCOPES, Scope
from retold.errors import Conflict, StorageError
from retold.ids import DEFAULT_ORG_ID, KeyId, OrgId, hash_api_key
from retold.storage.keys import Keys
from retold.storage.store import Store
from support.call_house import HandClock

pytestmark = pytest.mark.anyio

OTHER_ORG = OrgId("org_other")
DAY_S = 86_400


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock, database_url: str | None) -> AsyncGenerator[Store]:
    opened = await Store.open(tmp_path, database_url=database_url, clock=clock, ballast_bytes=4096)
    yield opened
    await opened.close()


@pytest.fixture
def keys(store: Store) -> Keys:
    return store.keys


async def opens(keys: Keys, secret: str) -> bool:
    return await keys.find(hash_api_key(secret)) is not None


async def test_a_key_opens_until_it_expires(keys: Keys, clock: HandClock) -> None:
    await keys.create(DEFAULT_ORG_ID, "key_a", NewKey(expires_timestamp=clock.wall_ms() + 1_000))
    assert await opens(keys, "key_a")
    clock.pass_ms(999)
    assert await opens(keys, "key_a")
    clock.pass_ms(1)
    assert not await opens(keys, "key_a")
    assert not keys.knows(hash_api_key("key_a"))


async def test_a_key_that_is_rolled_while_it_loses_scopes_does_not_keep_them(keys: Keys) -> None:
    old = await keys.create(DEFAULT_ORG_ID, "key_old", NewKey(is_webhook_key=True))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keys.roll, DEFAULT_ORG_ID, old.api_key_id, "key_new", DAY_S)
        tasks.start_soon(keys.change, DEFAULT_ORG_ID, old.api_key_id, KeyChanges(scopes=(Scope.READ,)))
    rolled = await keys.find(hash_api_key("key_new"))
    assert rolled is not None
    assert rolled.scopes == (Scope.READ,)


async def test_a_rolled_key_works_until_its_grace_is_over(keys: Keys, clock: HandClock) -> None:
    old = await keys.create(DEFAULT_ORG_ID, "key_old", NewKey(api_key_name="shop", scopes=(Scope.READ,)))
    assert await opens(keys, "key_old")
    made = await keys.roll(DEFAULT_ORG_ID, old.api_key_id, "key_new", DAY_S)
    assert made is not None
    assert (made.api_key_name, made.scopes, made.expires_timestamp) == ("shop", (Scope.READ,), None)
    assert await opens(keys, "key_old")
    assert await opens(keys, "key_new")
    clock.pass_ms(DAY_S * 1000)
    assert not await opens(keys, "key_old")
    assert await opens(keys, "key_new")


async def test_a_key_that_ends_sooner_than_the_grace_ends_as_it_would(keys: Keys, clock: HandClock) -> None:
    soon_ms = clock.wall_ms() + 1_000
    old = await keys.create(DEFAULT_ORG_ID, "key_old", NewKey(expires_timestamp=soon_ms))
    await keys.roll(DEFAULT_ORG_ID, old.api_key_id, "key_new", DAY_S)
    assert [key.expires_timestamp for key in await keys.list_all(DEFAULT_ORG_ID)] == [soon_ms, soon_ms]


async def test_a_key_of_another_organisation_cannot_be_changed(keys: Keys) -> None:
    made = await keys.create(DEFAULT_ORG_ID, "key_a")
    assert await keys.get(OTHER_ORG, made.api_key_id) is None
    assert await keys.roll(OTHER_ORG, made.api_key_id, "key_b", 0) is None
    assert await keys.change(OTHER_ORG, made.api_key_id, KeyChanges(api_key_name="mine")) is None
    assert not await keys.revoke(OTHER_ORG, made.api_key_id)
    assert await keys.list_all(OTHER_ORG) == []
    assert await keys.get(DEFAULT_ORG_ID, made.api_key_id) == made


async def test_a_change_shows_at_once_although_the_key_is_remembered(keys: Keys) -> None:
    made = await keys.create(DEFAULT_ORG_ID, "key_a")
    assert await opens(keys, "key_a")
    await keys.change(DEFAULT_ORG_ID, made.api_key_id, KeyChanges(scopes=(Scope.READ,)))
    found = await keys.find(hash_api_key("key_a"))
    assert found is not None
    assert found.scopes == (Scope.READ,)
    await keys.revoke(DEFAULT_ORG_ID, made.api_key_id)
    assert not await opens(keys, "key_a")
    assert await keys.change(DEFAULT_ORG_ID, made.api_key_id, KeyChanges(scopes=ALL_SCOPES)) is None
    assert await keys.roll(DEFAULT_ORG_ID, made.api_key_id, "key_b", 0) is None
    assert await keys.roll(DEFAULT_ORG_ID, KeyId("apikey_none"), "key_b", 0) is None


async def test_what_another_process_revokes_is_noticed_within_five_seconds(
    keys: Keys, clock: HandClock, tmp_path: Path, database_url: str | None
) -> None:
    made = await keys.create(DEFAULT_ORG_ID, "key_a")
    assert await opens(keys, "key_a")
    other = await Store.open(tmp_path, database_url=database_url, clock=clock, ballast_bytes=4096)
    await other.keys.revoke(DEFAULT_ORG_ID, made.api_key_id)
    await other.close()
    clock.pass_ms(5_001)
    assert not await opens(keys, "key_a")


async def test_keys_are_remembered_from_the_start_on(
    keys: Keys, clock: HandClock, tmp_path: Path, database_url: str | None
) -> None:
    await keys.create(DEFAULT_ORG_ID, "key_a")
    other = await Store.open(tmp_path, database_url=database_url, clock=clock, ballast_bytes=4096)
    assert not other.keys.knows(hash_api_key("key_a"))
    await other.keys.remember_all()
    assert other.keys.knows(hash_api_key("key_a"))
    assert not other.keys.knows(hash_api_key("key_b"))
    await other.close()


async def test_the_last_use_is_written_when_asked_and_not_before(keys: Keys, clock: HandClock) -> None:
    made = await keys.create(DEFAULT_ORG_ID, "key_a")
    clock.pass_ms(10)
    assert await opens(keys, "key_a")
    assert await keys.get(DEFAULT_ORG_ID, made.api_key_id) == made
    await keys.write_last_used()
    [listed] = await keys.list_all(DEFAULT_ORG_ID)
    assert listed.last_used_timestamp == clock.wall_ms()
    await keys.write_last_used()
    assert await keys.list_all(DEFAULT_ORG_ID) == [listed]


async def test_one_webhook_key_signs_and_a_rolled_one_until_it_expires(keys: Keys, clock: HandClock) -> None:
    assert await keys.webhook_secret(DEFAULT_ORG_ID) is None
    await keys.create(DEFAULT_ORG_ID, "key_first", NewKey(is_webhook_key=True))
    clock.pass_ms(1)
    await keys.create(DEFAULT_ORG_ID, "key_plain")
    await keys.create(OTHER_ORG, "key_stranger", NewKey(is_webhook_key=True))
    assert await keys.webhook_secret(DEFAULT_ORG_ID) == "key_first"
    clock.pass_ms(1)
    second = await keys.create(DEFAULT_ORG_ID, "key_second", NewKey(is_webhook_key=True))
    assert [key.is_webhook_key for key in await keys.list_all(DEFAULT_ORG_ID)] == [False, False, True]
    clock.pass_ms(1)
    made = await keys.roll(DEFAULT_ORG_ID, second.api_key_id, "key_third", 60)
    assert made is not None
    assert await keys.webhook_secret(DEFAULT_ORG_ID) == "key_second"
    clock.pass_ms(60_000)
    assert await keys.webhook_secret(DEFAULT_ORG_ID) == "key_third"
    await keys.revoke(DEFAULT_ORG_ID, made.api_key_id)
    assert await keys.webhook_secret(DEFAULT_ORG_ID) is None
    assert await keys.webhook_secret(OTHER_ORG) == "key_stranger"


async def test_a_key_that_is_there_cannot_be_made_again_and_takes_no_mark(keys: Keys) -> None:
    await keys.create(DEFAULT_ORG_ID, "key_a", NewKey(is_webhook_key=True))
    with pytest.raises(Conflict):
        await keys.create(DEFAULT_ORG_ID, "key_a", NewKey(is_webhook_key=True))
    assert await keys.webhook_secret(DEFAULT_ORG_ID) == "key_a"


async def test_no_secret_lies_on_the_disk_in_clear(store: Store, tmp_path: Path) -> None:
    secrets = ["key_0123456789abcdef0123456789abcdef", "key_fedcba9876543210fedcba9876543210"]
    await store.keys.create(DEFAULT_ORG_ID, secrets[0], NewKey(is_webhook_key=True))
    await store.keys.create(DEFAULT_ORG_ID, secrets[1])
    await store.close()
    kept = [await path.read_bytes() async for path in anyio.Path(tmp_path).iterdir()]
    assert kept
    assert not [secret for secret in secrets for content in kept if secret.encode() in content]
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


async def test_under_another_master_key_a_secret_does_not_open(
    store: Store, clock: HandClock, tmp_path: Path, database_url: str | None
) -> None:
    await store.keys.create(DEFAULT_ORG_ID, "key_a", NewKey(is_webhook_key=True))
    stranger = await Store.open(
        tmp_path, database_url=database_url, clock=clock, ballast_bytes=4096, master_key="ab" * 32
    )
    with pytest.raises(StorageError, match="another master key"):
        await stranger.keys.webhook_secret(DEFAULT_ORG_ID)
    await stranger.close()
    (tmp_path / "master.key").write_text("cut off")
    with pytest.raises(StorageError, match="restore it from a backup"):
        await store.keys.webhook_secret(DEFAULT_ORG_ID)
