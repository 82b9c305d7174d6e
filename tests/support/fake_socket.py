"""An accepted websocket in memory; works on virtual time."""

from collections import deque
from collections.abc import MutableMapping
from typing import Any

import anyio
from starlette.websockets import WebSocketDisconnect


class FakeSocket:
    """Behaves as uvicorn does, also in how it tells a cut from a hang-up."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.is_stuck = False
        self._unstuck = anyio.Event()
        self.is_broken = False
        self.inbox: deque[MutableMapping[str, Any]] = deque()
        self._arrived = anyio.Event()

    def put(self, message: MutableMapping[str, Any]) -> None:
        self.inbox.append(message)
        self._arrived.set()

    def put_audio(self, chunk: bytes) -> None:
        self.put({"type": "websocket.receive", "bytes": chunk})

    def put_text(self, text: str) -> None:
        self.put({"type": "websocket.receive", "text": text})

    def hang_up(self, code: int = 1000) -> None:
        self.put({"type": "websocket.disconnect", "code": code, "reason": ""})

    def cut(self) -> None:
        self.is_broken = True
        self.put({"type": "websocket.disconnect", "code": 1005})

    def unstick(self) -> None:
        self.is_stuck = False
        self._unstuck.set()
        self._unstuck = anyio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        while not self.inbox:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self.inbox.popleft()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        while self.is_stuck:
            await self._unstuck.wait()
        if self.is_broken:
            raise WebSocketDisconnect(1006)
        self.sent.append(message)
        if message["type"] == "websocket.close":
            self.hang_up(message["code"])

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if "text" in message]

    @property
    def audio(self) -> list[bytes]:
        return [message["bytes"] for message in self.sent if "bytes" in message]

    @property
    def closing(self) -> tuple[int, str] | None:
        closed = [(message["code"], message["reason"]) for message in self.sent if message["type"] == "websocket.close"]
        return closed[-1] if closed else None
