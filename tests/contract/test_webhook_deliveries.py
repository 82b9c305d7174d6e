"""Whole deliveries, the first one and a late one, as the official clients verify them."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from retold.domain.api_key import NewKey
from retold.domain.webhook_schedule import DELAYS_MS
from retold.domain.webhook_signature import HEADER, TOLERANCE_MS
from retold.ids import DEFAULT_ORG_ID
from support.call_house import open_house
from support.post import failing, open_post
from support.sdk_client import Generation, SdkProcess

pytestmark = pytest.mark.anyio

KEY = "key_webhook_0123456789abcdef"
GENERATIONS: tuple[Generation, ...] = ("4.6", "4.7", "5.0", "5.64", "6.2", "node")
"""All that have `verify`."""
FAILURES = 4
"""After so many, the next attempt is late by more than the tolerance."""


@dataclass(frozen=True, slots=True)
class Came:
    """One delivery as a receiver has it."""

    body: str
    signature: str
    at_ms: int


@pytest.fixture
async def deliveries(tmp_path: Path) -> AsyncGenerator[list[Came]]:
    """Every attempt to deliver one event, the last one minutes late."""
    came: list[Came] = []
    async with open_house(tmp_path) as house, open_post(house) as post:
        await house.store.keys.create(DEFAULT_ORG_ID, KEY, NewKey(is_webhook_key=True))
        post.respond = failing(FAILURES)
        record = await house.create(metadata={"name": "Grüße \U0001f600", "html": "</script>"})
        await post.announce("call_ended", record=record)
        for number in range(1, FAILURES + 2):
            await post.until_rows(lambda rows, number=number: rows[0]["attempts"] == number)
            request = post.received[-1]
            came.append(Came(request.body.decode(), request.headers[HEADER.lower()], house.clock.wall_ms()))
            await post.pass_ms(DELAYS_MS[number - 1])
        yield came


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_every_client_verifies_the_first_delivery_and_a_late_one(
    sdk_process: Callable[[Generation], SdkProcess], generation: Generation, deliveries: list[Came]
) -> None:
    process = sdk_process(generation)

    def verifies(one: Came, *, body: str | None = None, at_ms: int | None = None) -> object:
        arguments = [body or one.body, KEY, one.signature, {"timestamp": at_ms or one.at_ms}]
        return process.exchange({"method": "verify", "args": arguments})["value"]

    first, late = deliveries[0], deliveries[-1]
    assert late.at_ms - first.at_ms > TOLERANCE_MS
    for one in (first, late):
        assert verifies(one) is True
        assert verifies(one, body=one.body.replace("call_ended", "call_ender", 1)) is False
    assert verifies(first, at_ms=late.at_ms) is False, "a first delivery that is replayed late"
