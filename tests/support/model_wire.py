"""A model's server without a socket: its answers are bytes and pauses, so that deadlines run on virtual time."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2

STREAM = "text/event-stream"


@dataclass
class WireAnswer:
    """One answer: bytes, and floats that are seconds of silence; `after_s` is how long its head takes."""

    pieces: Sequence[bytes | float | Exception] = ()
    status: int = 200
    content_type: str = STREAM
    after_s: float = 0.0
    is_closed: bool = False


@dataclass
class Wire(httpx2.AsyncBaseTransport):
    """The n-th request gets the n-th answer; the last repeats."""

    answers: Sequence[WireAnswer | Exception]
    requests: list[httpx2.Request] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was sent, parsed."""
        return [json.loads(request.content) for request in self.requests]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2."""
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        await anyio.sleep(answer.after_s)
        return httpx2.Response(answer.status, headers={"Content-Type": answer.content_type}, stream=_Body(answer))


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: WireAnswer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._answer.pieces:
            if isinstance(piece, bytes):
                yield piece
            elif isinstance(piece, Exception):
                raise piece
            else:
                await anyio.sleep(piece)

    async def aclose(self) -> None:
        self._answer.is_closed = True


def event(data: object, name: str = "") -> bytes:
    """One event of a stream."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def chunk(delta: object = None, finish_reason: str | None = None, **fields: object) -> bytes:
    """One chat completion chunk."""
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **fields})


def named(kind: str, **fields: object) -> bytes:
    """One event of the messages API."""
    return event({"type": kind, **fields}, kind)
