"""A wss address: the connection goes to the checked number, but certificate and Host header are those of the name."""

import ssl
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from retold.errors import ConnectFailed
from retold.outbound import Outbound
from support.certificates import certificate
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Both loops that the server may run on: they differ in who closes a connection, and when."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.mark.parametrize(
    ("host", "is_served"), [("brain.test", True), ("other.test", False)], ids=["its own name", "another name"]
)
async def test_the_pinned_connection_keeps_the_name(tmp_path: Path, host: str, is_served: bool) -> None:
    pem = certificate(tmp_path, "brain.test")
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(pem)
    hosts: list[str] = []

    def look(socket: ServerConnection, request: Request) -> Response | None:
        hosts.append(request.headers["Host"])
        return None if request.path == "/llm" else socket.respond(HTTPStatus.NOT_FOUND, "")

    async def attend(socket: ServerConnection) -> None:
        await socket.send("hello")

    async def resolve(name: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with serve(attend, "127.0.0.1", 0, ssl=server_tls, process_request=look) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        outbound = Outbound(
            ["*"], lambda: None, resolve=resolve, make_tls=lambda: ssl.create_default_context(cafile=str(pem))
        )
        if is_served:
            socket = await outbound.connect_websocket(f"wss://{host}:{port}/llm", timeout_s=PATIENCE_S)
            assert await socket.receive() == "hello"
            await socket.close()
        else:
            with pytest.raises(ConnectFailed, match="certificate"):
                await outbound.connect_websocket(f"wss://{host}:{port}/llm", timeout_s=PATIENCE_S)
    assert hosts == ([f"brain.test:{port}"] if is_served else [])
