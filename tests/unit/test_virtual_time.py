"""Virtual time: jumps when nothing is ready, keeps order, and says when a test is stuck."""

import time

import anyio
import anyio.lowlevel
import pytest

from retold.clock import CallClock, Clock
from support import virtual_time
from support.virtual_time import START_WALL_MS, VirtualClock, VirtualTimeLoop

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_ten_minutes_pass_in_a_moment() -> None:
    really_started_s = time.monotonic()
    started_s = anyio.current_time()
    for _ in range(600 * 5):
        await anyio.sleep(0.2)
    assert anyio.current_time() - started_s == pytest.approx(600)
    assert time.monotonic() - really_started_s < 20


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[float] = []

    async def sleeper(delay_s: float) -> None:
        await anyio.sleep(delay_s)
        woken.append(delay_s)

    async with anyio.create_task_group() as tasks:
        for delay_s in (3.0, 1.0, 2.0):
            tasks.start_soon(sleeper, delay_s)
    assert woken == [1.0, 2.0, 3.0]


async def test_a_deadline_cuts_a_longer_sleep_at_its_time() -> None:
    started_s = anyio.current_time()
    with anyio.move_on_after(1.5) as scope:
        await anyio.sleep(60)
    assert scope.cancelled_caught
    assert anyio.current_time() - started_s == pytest.approx(1.5)


async def test_work_that_is_ready_takes_no_time() -> None:
    started_s = anyio.current_time()
    for _ in range(100):
        await anyio.lowlevel.checkpoint()
    assert anyio.current_time() == started_s


async def test_a_wall_clock_jump_leaves_monotonic_and_call_time_alone() -> None:
    clock = VirtualClock()
    as_port: Clock = clock
    call = CallClock(as_port)
    started_wall_ms, started_ms = clock.wall_ms(), clock.monotonic_ms()
    assert started_wall_ms >= START_WALL_MS
    clock.jump_wall(-3_600_000)
    await anyio.sleep(2)
    assert clock.wall_ms() == pytest.approx(started_wall_ms - 3_600_000 + 2_000, abs=1)
    assert clock.monotonic_ms() - started_ms == pytest.approx(2_000)
    assert call.now_ms() == pytest.approx(2_000)
    assert call.wall_ms(2_000) == started_wall_ms + 2_000


async def test_an_answer_from_a_thread_wakes_a_loop_without_timers() -> None:
    assert await anyio.to_thread.run_sync(lambda: "done") == "done"


def test_a_loop_on_which_nobody_can_wake_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "STUCK_AFTER_S", 0.01)
    loop = VirtualTimeLoop()

    async def wait_for_ever() -> None:
        await anyio.sleep(1)
        await loop.create_future()

    waiting = loop.create_task(wait_for_ever())
    try:
        with pytest.raises(virtual_time.Stuck, match=r"at 1\.000 s"):
            loop.run_until_complete(waiting)
        waiting.cancel()
        loop.run_until_complete(anyio_wait(waiting))
    finally:
        loop.close()


async def anyio_wait(task: object) -> None:
    """Give a cancelled task a turn to finish."""
    del task
    await anyio.lowlevel.checkpoint()
