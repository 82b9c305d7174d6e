"""Webhooks as the server delivers them, with a receiver on the loopback and a clock that the test moves."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from sqlalchemy import Engine, NullPool, Table, create_engine, select

from retold.domain.call import CallRecord
from retold.domain.consequences import Consequences, NewEvent
from retold.domain.webhook_events import endpoint_of
from retold.ids import DEFAULT_ORG_ID, CallId, new_event_id
from retold.jobs.webhooks import WebhookParts, Webhooks
from retold.ports import Http
from retold.storage.store import Store
from retold.storage.webhook_tables import webhook_attempt, webhook_endpoint, webhook_event
from support import database
from support.call_house import House
from support.patience import PATIENCE_S
from support.stored import BORN_MS, make_record
from support.web_server import Answer, WebRequest, WebServer, answer, loopback_outbound, web_server

OK = answer({"ok": True})


@dataclass
class Post:
    """A house whose events are delivered, and who receives them."""

    house: House
    server: WebServer
    webhooks: Webhooks
    engine: Engine
    """For reading the rows past the store."""
    unstored: dict[str, CallRecord]
    """Whole calls that the server has in memory."""
    respond: Callable[[WebRequest], Answer] = lambda _: OK

    @property
    def url(self) -> str:
        return f"{self.server.url}/hook"

    @property
    def received(self) -> list[WebRequest]:
        return self.server.requests

    def told(self) -> list[str]:
        """The events that came, in order."""
        return [request.json["event"] for request in self.received]

    async def announce(self, *events: str, record: CallRecord | None = None, path: str = "/hook") -> CallRecord:
        """Have events of one call delivered, as if it had come to each moment."""
        if record is None:
            record = make_record()
            await self.house.store.create_call(record)
        for event in events:
            made = new_event(event, f"{self.server.url}{path}")
            await self.house.store.change_call(
                DEFAULT_ORG_ID,
                CallId(record.call.call_id),
                lambda same: same,
                follows=lambda _, made=made: Consequences(events=(made,)),
            )
        return record

    async def stop(self) -> None:
        """Deliver no more, as a server that ends."""
        await self.webhooks.close(grace_s=0.0)

    async def pass_ms(self, ms: int) -> None:
        """Let time pass, and have what is due by then sent."""
        self.house.clock.pass_ms(ms)
        self.house.store.webhooks.ring()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that is to come about."""
        with anyio.fail_after(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - what the receiver sees has no event
                await anyio.sleep(0.01)

    async def until_rows(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Wait until the events' rows are so; gives them."""
        with anyio.fail_after(PATIENCE_S):
            while not holds(rows := await self.rows(webhook_event)):  # noqa: ASYNC110 - another writes them
                await anyio.sleep(0.01)
        return rows

    async def until_states(self, *states: str) -> list[dict[str, Any]]:
        """Wait until the events are in these states, in their order; gives their rows."""
        return await self.until_rows(lambda rows: [row["state"] for row in rows] == list(states))

    async def attempts(self) -> list[dict[str, Any]]:
        """What is written of attempts, in order."""
        return await self.rows(webhook_attempt)

    async def troubles(self) -> list[dict[str, Any]]:
        """The endpoints in trouble."""
        return await self.rows(webhook_endpoint)

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        """All rows of a table by its primary key, read past the store."""
        order = select(table).order_by(*table.primary_key)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(order).mappings()]


@asynccontextmanager
async def open_post(
    house: House,
    *,
    http: Http | None = None,
    database_url: str | None = None,
    is_delivering: bool = True,
    **parts: Any,
) -> AsyncGenerator[Post]:
    """Deliver the events of a house until the block is left; its rows are there, or in its folder."""
    post: Post
    url = database_url or database.database_url(house.store.data_dir)
    path = f"sqlite:///{house.store.data_dir / 'retold.db'}"
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:") if url else path, poolclass=NullPool)

    def respond(request: WebRequest) -> Answer:
        return post.respond(request)

    async with web_server(respond) as server, anyio.create_task_group() as tasks:
        unstored: dict[str, CallRecord] = {}
        webhooks = make_webhooks(house, http=http, whole=unstored.get, **parts)
        post = Post(house, server, webhooks, engine, unstored)
        if is_delivering:
            await tasks.start(webhooks.run)
        yield post
        tasks.cancel_scope.cancel()


def make_webhooks(house: House, *, http: Http | None = None, store: Store | None = None, **parts: Any) -> Webhooks:
    """Deliveries of a house, or of another store with the same clock."""
    shape: dict[str, Any] = {
        "whole": dict[str, CallRecord]().get,
        "base_url": lambda: "https://retold.example",
        "kept_days": 7,
        "dead_kept_days": 30,
        "chance": lambda: 0.0,
    }
    outbound = http or loopback_outbound()
    return Webhooks(WebhookParts(store=store or house.store, clock=house.clock, http=outbound, **{**shape, **parts}))


def new_event(event: str, url: str, call: bytes = b'{"call_id":"call_1"}') -> NewEvent:
    """An event as a moment of a call makes it."""
    return NewEvent(
        event_id=new_event_id(),
        event=event,
        endpoint=endpoint_of(DEFAULT_ORG_ID, url),
        url=url,
        timeout_ms=10_000,
        at_ms=BORN_MS,
        call=call,
        files_token="token",
    )


def failing(times: int, status: int = 500) -> Callable[[WebRequest], Answer]:
    """A receiver that fails so often and then does not."""
    left = [times]

    def respond(_request: WebRequest) -> Answer:
        left[0] -= 1
        return answer({}, status) if left[0] >= 0 else OK

    return respond
