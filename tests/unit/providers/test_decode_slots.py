"""Who gets a slot, in which order, and that none is lost."""

import anyio
import anyio.lowlevel
import pytest

from retold.providers.decode_slots import DecodeSlots

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def hold(slots: DecodeSlots, name: str, order: list[str], urgent: set[str]) -> None:
    async with slots.slot(lambda: name in urgent):
        order.append(name)
        await anyio.sleep(1)


async def test_those_somebody_waits_for_go_first_even_if_they_became_urgent_while_waiting() -> None:
    slots, order, urgent = DecodeSlots(1), list[str](), set[str]()
    async with anyio.create_task_group() as tasks:
        for name in ("first", "second", "third", "fourth"):
            tasks.start_soon(hold, slots, name, order, urgent)
        await anyio.sleep(0.5)
        urgent.add("third")
    assert order == ["first", "third", "second", "fourth"]


async def test_no_more_hold_a_slot_than_there_are() -> None:
    slots, order = DecodeSlots(2), list[str]()
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(hold, slots, name, order, set[str]())
        await anyio.sleep(0.5)
        assert order == ["a", "b"]
    assert order == ["a", "b", "c"]


@pytest.mark.parametrize("leaves_after_s", [0.5, 1.0])
async def test_a_waiter_that_gives_up_takes_no_slot_along(leaves_after_s: float) -> None:
    slots, order = DecodeSlots(1), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold, slots, "first", order, set[str]())
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(leaves_after_s):
            await hold(slots, "impatient", order, set())
        with anyio.fail_after(5):
            await hold(slots, "last", order, set())
    assert order[-1] == "last"
