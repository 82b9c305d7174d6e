"""A customer without a framework: one request at a time, and a call that is joined and silent."""

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from urllib import error, request

from websockets.sync.client import ClientConnection, connect

from support.patience import PATIENCE_S
from support.server import ServerProcess

SILENCE = bytes(960)
"""20 ms at 24 kHz."""


def ask(server: ServerProcess, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and parsed body of the answer, also when it is a refusal."""
    asked = request.Request(  # noqa: S310 - our own http address
        server.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={**server.headers, "Content-Type": "application/json"},
    )
    try:
        with request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
            return answer.status, json.loads(answer.read() or b"null")
    except error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


@contextmanager
def joined(server: ServerProcess) -> Generator[tuple[str, ClientConnection]]:
    """A call of the demo agent that is going on; leaving hangs up."""
    call_id = ask(server, "POST", "/v2/create-web-call", {"agent_id": "demo"})[1]["call_id"]
    with connect(f"{server.ws_url}/audio-websocket/{call_id}", compression=None, close_timeout=0.5) as audio:
        audio.send(SILENCE)
        wait_until(lambda: ask(server, "GET", f"/v2/get-call/{call_id}")[1]["call_status"] == "ongoing")
        yield call_id, audio


def wait_until(holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait for another process, which has no event; fails when it takes longer."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
