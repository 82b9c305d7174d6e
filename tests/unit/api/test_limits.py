"""The middleware in front of all routes, by plain ASGI."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from retold.api.limits import MAX_BODY_BYTES, BodyLimits

pytestmark = pytest.mark.anyio


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it got."""
    message = await receive()
    headers = [(name, value) for name, value in scope["headers"] if name == b"content-type"]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": message.get("body", b"")})


async def ask(
    chunks: Sequence[bytes], method: str = "POST", headers: Sequence[tuple[bytes, bytes]] = ()
) -> list[Message]:
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ] or [{"type": "http.request", "body": b"", "more_body": False}]
    answers: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answers.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": "/x",
        "query_string": b"",
        "headers": list(headers),
    }
    await BodyLimits(echo)(scope, receive, send)
    return answers


async def test_a_body_in_chunks_arrives_whole() -> None:
    start, body = await ask([b'{"a"', b": 1", b"}"])
    assert (start["status"], body["body"]) == (200, b'{"a": 1}')


async def test_json_that_was_sent_as_a_form_is_taken_as_json() -> None:
    start, _ = await ask([b"{}"], headers=[(b"content-type", b"application/x-www-form-urlencoded")])
    assert start["headers"] == [(b"content-type", b"application/json")]


async def test_an_empty_body_with_a_json_type_passes() -> None:
    start, body = await ask([], headers=[(b"content-type", b"application/json")])
    assert (start["status"], body["body"]) == (200, b"")


async def test_a_body_over_the_limit_is_refused_also_without_a_length() -> None:
    chunk = b" " * 65_536
    start, body = await ask([chunk] * (MAX_BODY_BYTES // len(chunk) + 1))
    assert start["status"] == 413
    assert json.loads(body["body"])["code"] == "payload_too_large"
    assert json.loads(body["body"])["field"] == "body"


async def test_a_body_of_exactly_the_limit_passes() -> None:
    text = b'"' + b"a" * (MAX_BODY_BYTES - 2) + b'"'
    start, _ = await ask([text])
    assert start["status"] == 200


async def test_an_endless_body_is_cut_off() -> None:
    start, _ = await ask([b" " * 1_000_000] * 100)
    assert start["status"] == 413


async def test_malformed_json_is_refused_with_its_place() -> None:
    start, body = await ask([b'{"a": }'])
    assert start["status"] == 400
    assert "line 1, column 7" in json.loads(body["body"])["message"]
    assert json.loads(body["body"])["field"] == "body"


async def test_a_client_that_leaves_in_mid_body_gets_nothing() -> None:
    waiting: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    answers: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await BodyLimits(echo)(scope, receive, send)
    assert answers == []


async def test_a_get_is_passed_on_untouched() -> None:
    start, _ = await ask([b"not json"], method="GET")
    assert start["status"] == 200


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"gzip, identity"])
async def test_a_compressed_body_is_refused_unread(encoding: bytes) -> None:
    start, body = await ask([b"\x1f\x8b" + b"\0" * 100], headers=[(b"content-encoding", encoding)])
    assert start["status"] == 400
    assert json.loads(body["body"])["field"] == "Content-Encoding"
    assert (b"connection", b"close") in start["headers"]


async def test_a_refused_body_that_was_read_leaves_the_connection_open() -> None:
    start, _ = await ask([b'{"a": }'])
    assert b"connection" not in dict(start["headers"])


async def test_an_address_with_a_nul_is_refused() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    for path, query in (("/get-agent/a\0b", b""), ("/list-agents", b"pagination_key=%00")):
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
        await BodyLimits(echo)(scope, receive, send)
        assert sent[-2]["status"] == 400
    socket = {"type": "websocket", "path": "/audio-websocket/a\0b", "query_string": b"", "headers": []}
    await BodyLimits(echo)(socket, receive, send)
    assert sent[-1]["type"] == "websocket.close"
