"""Uvicorn's HTTP connections with deadlines: nobody keeps one open without asking something and taking the answer.

Uvicorn itself waits for ever for a request that was begun, and for a client that reads nothing. `close_slow` is called
once a second for all connections, which is cheaper than a timer for each, and exact enough.

A connection that is over lets go of what refers back to it: it is then freed at once. What waits for the garbage
collector instead, a hundred calls of it, lies between what lives on, and memory grows for thousands of calls.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from retold.api.errors import error_response
from retold.errors import InvalidRequest, Unavailable

REQUEST_WITHIN_S = 10.0
"""From the connection, or the last answer, until the headers of a request are complete."""
TAKEN_WITHIN_S = 30.0
"""How long a client may leave the start of an answer, 64 kB of it, unread."""
MAX_HEAD_BYTES = 16 * 1024
EVICTABLE_AFTER_S = 1.0
"""At the limit of connections, one that has asked nothing for so long makes room for another."""


class HttpConnection(HttpToolsProtocol):
    """One connection; `limit_concurrency` of the configuration is how many there may be, all kinds together."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Uvicorn's own answer at the limit is not in the shape of ours.
        self._limit, self.limit_concurrency = self.limit_concurrency or 0, None
        self._application, self.app = self.app, self._answer
        self._asked_nothing_since_s = self.loop.time()
        self._takes_nothing_since_s: float | None = None
        self._is_head_read = False
        self._kept_bytes = 0
        """Read since the parser last gave something away."""
        self._is_surplus = False
        """Whether there were enough without it. Who was there before must not suffer from a burst of others."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn
        """Make room at the limit; far beyond it, refuse."""
        super().connection_made(transport)
        while len(self.connections) > self._limit and self._evict_one():
            pass
        self._is_surplus = len(self.connections) > self._limit
        if len(self.connections) > 2 * self._limit + 1:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        super().connection_lost(exc)
        self.app = self._application

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the websocket: this end of it will not be told of its loss."""
        super().handle_websocket_upgrade()
        self.app = self._application
        self.parser = None  # pyright: ignore[reportAttributeAccessIssue] - as uvicorn, once a connection is lost

    def data_received(self, data: bytes) -> None:
        """Read on; refuse headers, and trailers, without end: the parser keeps them until they are complete."""
        if self.transport.is_closing():
            return
        self._kept_bytes += len(data)
        super().data_received(data)
        if self._kept_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the request; what comes behind a body is nobody's."""
        if not self._is_head_read:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_head_read = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """All before the body was read."""
        self._is_head_read, self._kept_bytes = True, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body was read."""
        self._kept_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request was read."""
        self._kept_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """From here on the next request is awaited."""
        self._asked_nothing_since_s = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        self._takes_nothing_since_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client takes what it is sent."""
        self._takes_nothing_since_s = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered in the shape of all errors; behind a good request, its answer is the last."""
        cycle = self._answering()
        if cycle is not None and not cycle.more_body:
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        answer = error_response(InvalidRequest(msg.lower().rstrip("."), fix="send HTTP/1.1, headers of at most 16 kB"))
        head = b"".join(b"%s: %s\r\n" % header for header in [*answer.raw_headers, (b"connection", b"close")])
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n%s\r\n%s" % (head, bytes(answer.body)))
        self.transport.close()

    def idle_s(self) -> float:
        """For how long the client has asked nothing; 0 while a request is being answered."""
        return 0.0 if self._answering() is not None else self.loop.time() - self._asked_nothing_since_s

    def close_if_slow(self) -> None:
        """Cut the connection when a deadline has passed."""
        is_stuck = (
            self._takes_nothing_since_s is not None and self.loop.time() - self._takes_nothing_since_s > TAKEN_WITHIN_S
        )
        if is_stuck or self.idle_s() > REQUEST_WITHIN_S:
            self.transport.abort()

    def _answering(self) -> RequestResponseCycle | None:
        """The request that is being answered."""
        # Uvicorn has no cycle before the first request, whatever it declares.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_full = self._is_surplus and len(self.connections) > self._limit
        await (_full() if is_full else self._application)(scope, receive, send)  # pyright: ignore[reportArgumentType] - uvicorn's names for the same types

    def _evict_one(self) -> bool:
        """Whether there was one to be closed."""
        others = [one for one in self.connections if isinstance(one, HttpConnection) and one is not self]
        slowest = max(others, key=HttpConnection.idle_s, default=None)
        if slowest is None or slowest.idle_s() <= EVICTABLE_AFTER_S:
            return False
        # It counts until the loop has told it that it is closed.
        self.connections.discard(slowest)
        slowest.transport.abort()
        return True


def close_slow(connections: Iterable[object]) -> None:
    """Cut every HTTP connection of which a deadline has passed."""
    for connection in list(connections):
        if isinstance(connection, HttpConnection):
            connection.close_if_slow()


def _full() -> Response:
    refusal = error_response(
        Unavailable("the server has as many connections as it takes", fix="try again; close idle connections")
    )
    refusal.headers["Connection"] = "close"
    return refusal
