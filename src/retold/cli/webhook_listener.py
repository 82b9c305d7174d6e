"""The receiver of `retold webhooks listen`: takes webhooks on this machine, says what came, answers as it is told."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import anyio
from rich.console import Console
from rich.text import Text
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from retold.app.listen import bind, listening
from retold.cli.delivered import Delivery, Verdict, judged, told
from retold.clock import Clock

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""More than any call has; a guard for the memory of this machine."""
MAX_COUNTED: Final = 100_000
"""After so many events the count of deliveries begins anew."""
_STYLES: Final = {"call_started": "green", "call_ended": "cyan", "call_analyzed": "magenta"}


@dataclass(frozen=True, slots=True)
class Answers:
    """How deliveries are answered: with `status`, but 204 once an event has been failed `times`."""

    status: int = HTTPStatus.NO_CONTENT
    times: int | None = None

    def status_for(self, delivery_number: int) -> int:
        """The answer to the n-th delivery of an event, counted from 1."""
        is_over = self.times is not None and delivery_number > self.times
        return HTTPStatus.NO_CONTENT if is_over else self.status


Show = Callable[[Delivery, Verdict, int, int], None]
"""Told each delivery, whether it is signed, which one of its event it is, and what it is answered."""


class Listener:
    """An ASGI application that takes webhooks at any path."""

    def __init__(self, clock: Clock, api_key: str | None, answers: Answers, show: Show) -> None:
        self._clock = clock
        self._api_key = api_key
        self._answers = answers
        self._show = show
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._answered(request)
        if response is not None:
            await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response | None:
        if request.method != "POST":
            return PlainTextResponse("webhooks come by POST\n", HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return None
        if body is None:
            return PlainTextResponse("too large\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        delivery = Delivery(request.url.path, dict(request.headers), body, self._clock.wall_ms())
        if len(self._counts) > MAX_COUNTED:
            self._counts.clear()
        self._counts[delivery.event_id] += 1
        number = self._counts[delivery.event_id]
        status = self._answers.status_for(number)
        self._show(delivery, judged(delivery, self._api_key), number, status)
        return Response(status_code=status)


async def listen(host: str, port: int, listener: Listener, ready: Callable[[str], None]) -> None:
    """Take webhooks until cancelled; `ready` is told the address. Raises OSError when it is taken."""
    with bind(host, port) as sock:
        async with listening(listener, sock) as url:
            ready(url)
            await anyio.sleep_forever()


def in_words(console: Console, clock_text: Callable[[int], str], *, with_body: bool) -> Show:
    """Shows deliveries to a person."""

    def show(delivery: Delivery, verdict: Verdict, number: int, status: int) -> None:
        style = _STYLES.get(delivery.event, "yellow")
        head = Text.assemble(
            (clock_text(delivery.at_ms), "dim"), "  ", (delivery.event, f"bold {style}"), "  ", delivery.call_id
        )
        if words := told(delivery):
            head.append(f"  {words}")
        again = f", delivery {number} of this event" if number > 1 else ""
        mark = "dim" if verdict.by_retell is None else "green" if verdict.is_good else "bold red"
        facts = Text.assemble(
            (f"          {len(delivery.body)} bytes{again}, answered {status}; ", "dim"), (verdict.words, mark)
        )
        for line in (head, facts):
            console.print(line, soft_wrap=True)
        if with_body:
            console.print(_indented(delivery), soft_wrap=True, markup=False, highlight=False)

    return show


def as_json(write: Callable[[str], None]) -> Show:
    """Writes each delivery as one line of JSON."""

    def show(delivery: Delivery, verdict: Verdict, number: int, status: int) -> None:
        fields = {
            "received_timestamp": delivery.at_ms,
            "event": delivery.event,
            "event_id": delivery.event_id,
            "call_id": delivery.call_id,
            "path": delivery.path,
            "delivery": number,
            "status": status,
            "is_retell_signature_good": verdict.by_retell,
            "is_standard_signature_good": verdict.by_standard,
            "headers": dict(delivery.headers),
            "body": delivery.body.decode(errors="replace"),
        }
        write(json.dumps(fields))

    return show


def _indented(delivery: Delivery) -> str:
    try:
        return json.dumps(delivery.content, indent=2)
    except RecursionError:
        return "(nested too deeply to be shown)"


async def _body(request: Request) -> bytes | None:
    """The whole body, None when it is too large. Raises ClientDisconnect."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)
