"""API keys and the organisations they belong to. A key's secret is kept as a hash; a webhook key's also sealed."""

from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from retold.clock import Clock
from retold.domain.api_key import ApiKey, KeyChanges, NewKey
from retold.domain.audit import Act
from retold.domain.scopes import ALL_SCOPES, Scope
from retold.errors import Conflict
from retold.ids import KeyId, OrgId, hash_api_key, new_key_id, shown_prefix
from retold.storage.audit import note
from retold.storage.database import Database
from retold.storage.key_cache import MAX_KEYS, KeyCache
from retold.storage.master_key import MasterKey
from retold.storage.tables import api_key, org

MAX_LISTED = 1_000
_TYPE = "api_key"
"""What the audit log calls them."""


class Keys:
    """All keys of a data folder. `find` answers from memory; a change made here shows at once, another's within 5 s."""

    def __init__(self, database: Database, clock: Clock, master_key: MasterKey) -> None:
        self._database = database
        self._clock = clock
        self._master_key = master_key
        self._cache = KeyCache(clock)
        self._used: dict[KeyId, int] = {}

    async def create(self, org_id: OrgId, secret: str, wanted: NewKey | None = None) -> ApiKey:
        """Keep a key; makes the organisation if it is not there. Raises Conflict when the key is known."""
        wanted = wanted or NewKey()
        made = ApiKey(
            api_key_id=new_key_id(),
            org_id=org_id,
            key_prefix=shown_prefix(secret),
            created_timestamp=self._clock.wall_ms(),
            **wanted.model_dump(),
        )
        sealed = await self._sealed(made, secret)

        def work(connection: Connection) -> None:
            if connection.scalar(select(org.c.org_id).where(org.c.org_id == org_id)) is None:
                connection.execute(insert(org).values(org_id=org_id, name=org_id, created_ms=made.created_timestamp))
            if sealed is not None:
                connection.execute(update(api_key).where(api_key.c.org_id == org_id).values(sealed_secret=None))
            _insert(connection, made, secret, sealed)
            note(connection, org_id, Act.CREATE, _TYPE, made.api_key_id, after=made.wire())

        await self._database.write(work)
        self._remember(made, secret)
        return made

    async def roll(self, org_id: OrgId, key_id: KeyId, secret: str, grace_s: int) -> ApiKey | None:
        """Replace a usable key by another with its name, scopes and mark; the old one expires after the grace.

        None when there is no such key. A webhook key goes on signing until it expires: receivers have that long to
        take the new one. Raises Conflict when the new secret is known.
        """
        found = await self.get(org_id, key_id)
        if found is None:
            return None
        now_ms = self._clock.wall_ms()
        fresh = {"api_key_id": new_key_id(), "created_timestamp": now_ms, "key_prefix": shown_prefix(secret)}
        sealed = await self._sealed(found.model_copy(update=fresh), secret)

        def work(connection: Connection) -> ApiKey | None:
            # It may have been changed since: what it may do no more, the new one may not either.
            old = _one(connection, _key(org_id, key_id))
            if old is None or not old.is_usable(now_ms):
                return None
            ends_ms = min(now_ms + grace_s * 1000, old.expires_timestamp or 2**53)
            connection.execute(update(api_key).where(api_key.c.key_id == key_id).values(expires_ms=ends_ms))
            made = old.model_copy(update={**fresh, "last_used_timestamp": None})
            _insert(connection, made, secret, sealed if old.is_webhook_key else None)
            note(connection, org_id, Act.ROLL, _TYPE, key_id, before=old.wire(), after=made.wire())
            return made

        made = await self._changed(key_id, await self._database.write(work))
        if made is not None:
            self._remember(made, secret)
        return made

    async def change(self, org_id: OrgId, key_id: KeyId, changes: KeyChanges) -> ApiKey | None:
        """Change a usable key; None when there is none."""
        now_ms = self._clock.wall_ms()

        def work(connection: Connection) -> ApiKey | None:
            before = _one(connection, _key(org_id, key_id))
            if before is None or not before.is_usable(now_ms):
                return None
            after = changes.applied_to(before)
            connection.execute(update(api_key).where(api_key.c.key_id == key_id).values(_changeable(after)))
            note(connection, org_id, Act.UPDATE, _TYPE, key_id, before=before.wire(), after=after.wire())
            return after

        return await self._changed(key_id, await self._database.write(work))

    async def revoke(self, org_id: OrgId, key_id: KeyId) -> bool:
        """Make a key worthless; False when there is no such key or it was revoked before."""
        change = (
            update(api_key)
            .where(api_key.c.org_id == org_id, api_key.c.key_id == key_id, api_key.c.revoked_ms.is_(None))
            .values(revoked_ms=self._clock.wall_ms(), sealed_secret=None)
        )

        def work(connection: Connection) -> bool:
            is_revoked = connection.execute(change).rowcount == 1
            if is_revoked:
                note(connection, org_id, Act.REVOKE, _TYPE, key_id)
            return is_revoked

        is_revoked = await self._database.write(work)
        self._cache.outdate(key_id)
        return is_revoked

    async def find(self, key_hash: str) -> ApiKey | None:
        """The usable key whose secret has this hash."""
        found = self._cache.fresh(key_hash)
        if found is None:
            changes = self._cache.changes
            wanted = _KEYS.where(api_key.c.key_hash == key_hash)
            found = await self._database.read(lambda connection: _one(connection, wanted))
            self._cache.keep(key_hash, found, changes)
        now_ms = self._clock.wall_ms()
        if found is None or not found.is_usable(now_ms):
            return None
        self._used[found.api_key_id] = now_ms
        return found

    def knows(self, key_hash: str) -> bool:
        """Whether a usable key was seen with this hash; costs nothing."""
        known = self._cache.known(key_hash)
        return known is not None and known.is_usable(self._clock.wall_ms())

    async def remember_all(self) -> None:
        """Take the newest keys into memory, so that `knows` knows them."""
        wanted = select(api_key.c.key_hash, *_KEYS.selected_columns).where(api_key.c.revoked_ms.is_(None))
        newest = wanted.order_by(api_key.c.created_ms.desc()).limit(MAX_KEYS)
        rows = await self._database.read(lambda connection: connection.execute(newest).all())
        for row in reversed(rows):
            self._cache.keep(row.key_hash, _as_key(row), self._cache.changes)

    async def get(self, org_id: OrgId, key_id: KeyId) -> ApiKey | None:
        """A usable key of this organisation."""
        found = await self._database.read(lambda connection: _one(connection, _key(org_id, key_id)))
        return found if found is not None and found.is_usable(self._clock.wall_ms()) else None

    async def list_all(self, org_id: OrgId) -> list[ApiKey]:
        """The keys of an organisation, oldest first, revoked and expired ones too; the newest thousand."""
        newest = _KEYS.where(api_key.c.org_id == org_id).order_by(api_key.c.created_ms.desc(), api_key.c.key_id.desc())
        rows = await self._database.read(lambda connection: connection.execute(newest.limit(MAX_LISTED)).all())
        return [_as_key(row) for row in reversed(rows)]

    async def org_name(self, org_id: OrgId) -> str:
        """What an organisation is called; its id when it has no name."""
        wanted = select(org.c.name).where(org.c.org_id == org_id)
        return await self._database.read(lambda connection: connection.scalar(wanted)) or org_id

    async def webhook_secret(self, org_id: OrgId) -> str | None:
        """The key that signs this organisation's webhooks: of those that are marked and usable, the oldest.

        Raises StorageError when it was sealed under another master key.
        """
        wanted = select(api_key.c.key_id, api_key.c.sealed_secret, api_key.c.expires_ms).where(
            api_key.c.org_id == org_id, api_key.c.sealed_secret.is_not(None), api_key.c.revoked_ms.is_(None)
        )
        rows = await self._database.read(
            lambda connection: connection.execute(wanted.order_by(api_key.c.created_ms, api_key.c.key_id)).all()
        )
        now_ms = self._clock.wall_ms()
        usable = [row for row in rows if row.expires_ms is None or row.expires_ms > now_ms]
        if not usable:
            return None
        sealed, owner = usable[0].sealed_secret, owner_of_key(org_id, usable[0].key_id)
        return await anyio.to_thread.run_sync(lambda: self._master_key.open(sealed, owner=owner))

    async def write_last_used(self) -> None:
        """Write when keys were last used; called once a minute, and at the end."""
        used, self._used = self._used, {}
        if not used:
            return
        change = (
            update(api_key)
            .where(api_key.c.key_id == bindparam("used_id"))
            .values(last_used_ms=bindparam("used_ms", type_=api_key.c.last_used_ms.type))
        )
        rows = [{"used_id": key_id, "used_ms": used_ms} for key_id, used_ms in used.items()]
        await self._database.write(lambda connection: connection.execute(change, rows))

    def _remember(self, key: ApiKey, secret: str) -> None:
        """A key that was made here is known before it is first used."""
        self._cache.keep(hash_api_key(secret), key, self._cache.changes)

    async def _changed(self, key_id: KeyId, result: ApiKey | None) -> ApiKey | None:
        self._cache.outdate(key_id)
        return result

    async def _sealed(self, key: ApiKey, secret: str) -> str | None:
        if not key.is_webhook_key:
            return None
        owner = owner_of_key(key.org_id, key.api_key_id)
        return await anyio.to_thread.run_sync(lambda: self._master_key.seal(secret, owner=owner))


_KEYS = select(
    api_key.c.key_id,
    api_key.c.org_id,
    api_key.c.name,
    api_key.c.prefix,
    api_key.c.scopes,
    api_key.c.sealed_secret,
    api_key.c.created_ms,
    api_key.c.expires_ms,
    api_key.c.revoked_ms,
    api_key.c.last_used_ms,
)


def _key(org_id: OrgId, key_id: KeyId) -> Select[*tuple[Any, ...]]:
    return _KEYS.where(api_key.c.org_id == org_id, api_key.c.key_id == key_id)


def _one(connection: Connection, wanted: Select[*tuple[Any, ...]]) -> ApiKey | None:
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _as_key(row)


def _as_key(row: Row[*tuple[Any, ...]]) -> ApiKey:
    return ApiKey(
        api_key_id=row.key_id,
        org_id=row.org_id,
        api_key_name=row.name,
        key_prefix=row.prefix,
        # All scopes are kept as none, so that a scope of a later version belongs to them.
        scopes=ALL_SCOPES if row.scopes is None else tuple(Scope(scope) for scope in row.scopes.split()),
        is_webhook_key=row.sealed_secret is not None,
        created_timestamp=row.created_ms,
        expires_timestamp=row.expires_ms,
        revoked_timestamp=row.revoked_ms,
        last_used_timestamp=row.last_used_ms,
    )


def _insert(connection: Connection, key: ApiKey, secret: str, sealed: str | None) -> None:
    key_hash = hash_api_key(secret)
    if connection.scalar(select(api_key.c.key_id).where(api_key.c.key_hash == key_hash)) is not None:
        raise Conflict("this API key exists already")
    connection.execute(
        insert(api_key).values(
            key_id=key.api_key_id,
            org_id=key.org_id,
            key_hash=key_hash,
            prefix=key.key_prefix,
            created_ms=key.created_timestamp,
            sealed_secret=sealed,
            **_changeable(key),
        )
    )


def _changeable(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.api_key_name,
        "scopes": None if key.scopes == ALL_SCOPES else " ".join(key.scopes),
        "expires_ms": key.expires_timestamp,
    }


def owner_of_key(org_id: OrgId, key_id: KeyId) -> str:
    """What a secret is sealed to: moved to another row, it does not open."""
    return f"{org_id}/{key_id}"
