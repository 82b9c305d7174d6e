"""A call that goes on, for tests that are not about its audio: somebody has joined, and hears the agent."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from support.patience import PATIENCE_S

CHUNK = bytes(960)
"""20 ms of silence at 24 kHz."""


@contextmanager
def joined_call(url: str, call_id: str) -> Generator[None]:
    """Join the call on the server at this http address until the block is left; the agent has begun to speak.

    What it says is taken all the while: a client that does not read misses a ping and is cut off.
    """
    address = f"ws{url.removeprefix('http')}/audio-websocket/{call_id}"
    with connect(address, compression=None, max_queue=None) as socket:
        deadline = time.monotonic() + PATIENCE_S
        while not isinstance(_next(socket), bytes):
            assert time.monotonic() < deadline, "the agent says nothing"
            socket.send(CHUNK)
        yield


def _next(socket: ClientConnection) -> str | bytes:
    try:
        return socket.recv(timeout=0.02)
    except TimeoutError:
        return ""
