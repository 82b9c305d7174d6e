"""The watches that run as long as the server: a folder that cannot be read is no reason to end it; virtual time."""

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
import structlog

from retold.calls.live import LOOK_MS, LiveCalls
from retold.calls.recover import LOOK_S, keep_watch
from retold.storage.disk import StorageHealth
from support.virtual_time import VirtualClock

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_the_watch_over_other_servers_outlives_a_folder_that_cannot_be_read() -> None:
    looks = 0

    async def take_over() -> int:
        nonlocal looks
        looks += 1
        raise OSError("the folder is gone")

    store = SimpleNamespace(outages=0, owners=SimpleNamespace(take_over=take_over))
    with structlog.testing.capture_logs() as lines, anyio.move_on_after(2.5 * LOOK_S):
        await keep_watch(cast("Any", SimpleNamespace(store=store)), cast("Any", None))
    assert looks == 2
    assert [line["event"] for line in lines] == ["calls_not_watched"] * 2


async def test_the_watch_over_deadlines_outlives_a_spool_that_cannot_be_read() -> None:
    def glob(_pattern: str) -> None:
        raise OSError("the folder is gone")

    store, unreadable = SimpleNamespace(health=StorageHealth.FULL), SimpleNamespace(glob=glob)
    live = LiveCalls(cast("Any", SimpleNamespace(store=store, spool=unreadable)), VirtualClock(), concurrency_limit=1)
    with structlog.testing.capture_logs() as lines:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live.run)
            await anyio.sleep(LOOK_MS / 2000)
            store.health = StorageHealth.OK
            # Time jumps while the folder is read in a thread: no deadline but the test's own fits.
            while not lines:  # noqa: ASYNC110 - the watch has no event to wait for
                await anyio.sleep(LOOK_MS / 1000)
            tasks.cancel_scope.cancel()
    assert [line["event"] for line in lines] == ["recordings_not_caught_up"]
