"""A server of the caller's own: a child process on a free port of this machine, with data that go when it goes."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import httpx2

from retold.errors import CallNotPlaced

START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.05
_SHOWN_LOG_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is, without a slash at the end, and a key for it."""

    url: str
    api_key: str

    @property
    def websocket_url(self) -> str:
        """The same address for websockets."""
        return "ws" + self.url.removeprefix("http")


@asynccontextmanager
async def own_server() -> AsyncGenerator[ServerAddress]:
    """Run `retold serve` with this process's settings, ready for calls. Raises CallNotPlaced when it does not start."""
    with tempfile.TemporaryDirectory(prefix="retold-call-") as folder:
        address = ServerAddress(f"http://127.0.0.1:{_free_port()}", "key_" + secrets.token_hex(16))
        log = Path(folder) / "server.log"
        process = await _start(address, Path(folder) / "data", log)
        try:
            await _wait_until_ready(address, process, log)
            yield address
        finally:
            await _stop(process)


async def _start(address: ServerAddress, data_dir: Path, log: Path) -> anyio.abc.Process:
    port = address.url.rpartition(":")[2]
    command = [sys.executable, "-m", "retold", "serve", "--host", "127.0.0.1", "--port", port]
    with log.open("wb") as output:
        return await anyio.open_process(
            [*command, "--data-dir", str(data_dir)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "RETOLD_API_KEY": address.api_key, "RETOLD_PUBLIC_URL": address.url},
            # Ctrl-C is for the caller, who then stops the server.
            start_new_session=True,
        )


async def _wait_until_ready(address: ServerAddress, process: anyio.abc.Process, log: Path) -> None:
    with anyio.move_on_after(START_TIMEOUT_S):
        async with httpx2.AsyncClient(base_url=address.url, timeout=_STOP_TIMEOUT_S) as http:
            while process.returncode is None:
                try:
                    if (await http.get("/health/ready")).is_success:
                        return
                except httpx2.TransportError:
                    pass
                await anyio.sleep(_POLL_S)
    said = (await anyio.Path(log).read_text(errors="replace"))[-_SHOWN_LOG_CHARS:]
    state = f"left with code {process.returncode}" if process.returncode is not None else "was not ready in time"
    raise CallNotPlaced(f"the server of our own {state}; try `retold doctor`. It said:\n{said}")


async def _stop(process: anyio.abc.Process) -> None:
    """SIGTERM, a second one for calls that still run, then SIGKILL."""
    with anyio.CancelScope(shield=True):
        for stop_signal in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                return
            process.send_signal(stop_signal)
            with anyio.move_on_after(_STOP_TIMEOUT_S / 2):
                await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
