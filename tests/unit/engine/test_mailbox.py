"""The bounded queue between two tasks of a call."""

import anyio
import pytest

from retold.engine.mailbox import Mailbox

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_items_come_in_order_until_the_mailbox_is_closed_and_empty() -> None:
    box, read = Mailbox[int](10), list[int]()

    async def reader() -> None:
        read.extend([item async for item in box])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader)
        box.put(1)
        await anyio.sleep(1)
        box.put(2)
        box.put(3)
        box.close()
        assert box.put(4)
    assert read == [1, 2, 3]


async def test_a_full_mailbox_takes_nothing_and_says_so() -> None:
    box = Mailbox[str](2)
    assert [box.put(item) for item in "abc"] == [True, True, False]
    assert (box.take(), box.take(), box.take()) == ("a", "b", None)
    box.put("d")
    box.clear()
    assert box.take() is None


async def test_a_wait_that_is_given_up_loses_nothing() -> None:
    box = Mailbox[int](2)
    with anyio.move_on_after(1):
        await box.news()
    box.put(1)
    await box.news()
    assert box.take() == 1
