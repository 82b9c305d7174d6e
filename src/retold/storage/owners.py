"""Which server a call belongs to, when several servers share one database.

A server is its data folder, and its name lies there. It holds an advisory lock of that name for as long as its writing
connection to the database lives: a server that was killed loses it at once, one that only stands still keeps it. Who
finds a name free, and free again for a while on the same connection, takes over the calls of that server.

An SQLite database belongs to the folder it lies in: all its calls are those of the one server that has the folder.
"""

import hashlib
import secrets
from pathlib import Path

import anyio
import anyio.to_thread
from sqlalchemy import Connection, func, select, update

from retold.clock import Clock
from retold.errors import StorageError
from retold.storage.database import Database
from retold.storage.once import kept_once
from retold.storage.tables import IS_UNFINISHED, call

FILE_NAME = "server.id"
HOLD_TIMEOUT_S = 15.0
"""A server that was killed may be connected, in the eyes of the database, for so long."""
RETRY_S = 0.2
GRACE_MS = 15_000
"""A name must be free for so long: after a restart of the database its servers come back one by one."""
_IS_HELD = "retold_is_held"
_FREE_SINCE = "retold_free_since"


class Owners:
    """The place of this server among those that share its database."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._path = folder / FILE_NAME
        self._clock = clock
        self._name: str | None = None
        self._process = secrets.token_hex(8)

    @property
    def name(self) -> str | None:
        """What this server calls itself in the rows of its calls; None when it shares its database with nobody."""
        return self._name

    @property
    def holder(self) -> str:
        """What this process calls itself in the claims it has (claims.py)."""
        return f"{self._name or ''}/{self._process}"

    async def hold(self, timeout_s: float = HOLD_TIMEOUT_S) -> None:
        """Take this server's place; to be called before any call is made or recovered.

        Raises StorageError when another server has it, or OSError when the name cannot be kept.
        """
        if not self._database.is_shared:
            return
        new_name = secrets.token_hex(8)
        self._name = (await anyio.to_thread.run_sync(kept_once, self._path, new_name)).strip()
        with anyio.move_on_after(timeout_s):
            while not await self._database.write(self._holds):  # noqa: ASYNC110 - another server has no event
                await anyio.sleep(RETRY_S)
            return
        raise StorageError(
            f"a server that calls itself {self._name} is connected to the database already; stop it, or, when the data"
            f" folder is a copy, delete {self._path}"
        )

    async def take_over(self) -> int:
        """Make the unfinished calls of servers that died this server's own; gives how many. To be called every 5 s.

        Raises StorageError.
        """
        return 0 if self._name is None else await self._database.write(self._take_over)

    def _holds(self, connection: Connection) -> bool:
        # `info` lives as long as the session with the database, and so does the lock.
        session = connection.info
        if not session.get(_IS_HELD):
            session[_IS_HELD] = connection.scalar(select(func.pg_try_advisory_lock(_key(self._name or ""))))
        return session[_IS_HELD]

    def _take_over(self, connection: Connection) -> int:
        # A connection that was renewed meanwhile has lost the lock.
        self._holds(connection)
        others = select(call.c.server).where(IS_UNFINISHED, call.c.server != self._name).distinct()
        dead = self._long_free(connection, [name for name in connection.scalars(others) if name is not None])
        if not dead:
            return 0
        taken = update(call).where(IS_UNFINISHED, call.c.server.in_(dead)).values(server=self._name)
        return connection.execute(taken).rowcount

    def _long_free(self, connection: Connection, names: list[str]) -> list[str]:
        # Shared, so that two who look do not take each other for the owner.
        free = [name for name in names if connection.scalar(select(func.pg_try_advisory_xact_lock_shared(_key(name))))]
        now_ms = self._clock.monotonic_ms()
        before: dict[str, float] = connection.info.get(_FREE_SINCE, {})
        since = {name: before.get(name, now_ms) for name in free}
        connection.info[_FREE_SINCE] = since
        return [name for name in free if now_ms - since[name] >= GRACE_MS]


def _key(name: str) -> int:
    """The advisory lock of a server: a signed number of 64 bits."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
