"""Who gets to speak with Ada."""

from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.types import Message

from retold.demo.app import PATH, app, routes
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


async def visit(application: Starlette, call_id: str) -> list[str]:
    """The kinds of messages that a socket gets which says nothing and leaves."""
    coming: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
    got: list[str] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        got.append(message["type"])

    scope: dict[str, Any] = {"type": "websocket", "path": f"{PATH}/{call_id}", "headers": [], "query_string": b""}
    with anyio.fail_after(PATIENCE_S):
        await application(scope, receive, send)
    return got


async def test_only_calls_of_this_server_are_answered() -> None:
    application = Starlette(routes=routes({"call_known"}.__contains__))
    assert (await visit(application, "call_known"))[:2] == ["websocket.accept", "websocket.send"]
    assert await visit(application, "call_other") == ["websocket.close"]


async def test_alone_everybody_is_answered() -> None:
    assert (await visit(app(), "call_any"))[0] == "websocket.accept"
