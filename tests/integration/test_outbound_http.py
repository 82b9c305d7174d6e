"""HTTP to addresses that users name: what is sent, what is read of an answer, and what ends a request."""

import gzip
import socket
import ssl
import zlib
from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx2
import pytest

from retold.domain.http_answer import HttpAnswer
from retold.errors import AddressRefused, ConnectFailed
from retold.outbound import Outbound
from retold.outbound.guard import dial_address
from support.certificates import certificate
from support.patience import PATIENCE_S
from support.web_server import WebRequest, answer, loopback_outbound, web_server

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Both loops that the server may run on: they differ in who closes a connection, and when."""
    return "asyncio", {"use_uvloop": request.param}


MAX_BYTES = 1_000_000


async def ask(  # noqa: PLR0913 - a request and its limits
    url: str,
    outbound: Outbound | None = None,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = PATIENCE_S,
    max_bytes: int = MAX_BYTES,
) -> HttpAnswer:
    return await (outbound or loopback_outbound()).request(
        method, url, headers=headers or {}, body=body, timeout_s=timeout_s, max_bytes=max_bytes
    )


async def test_a_request_arrives_as_it_was_made_and_so_does_the_answer() -> None:
    async with web_server(lambda _: answer({"ok": True}, 201, X_Note="yes", Content_Type="application/json")) as server:
        got = await ask(
            f"{server.url}/a/b?c=d%20e",
            method="PUT",
            headers={"Content-Type": "application/json", "X-Name": "Zoë"},
            body=b'{"a": 1}',
        )
    assert (got.status, got.body, got.is_cut) == (201, b'{"ok":true}', False)
    assert (got.headers["x-note"], got.headers["content-type"]) == ("yes", "application/json")
    [request] = server.requests
    assert (request.method, request.target, request.body) == ("PUT", "/a/b?c=d%20e", b'{"a": 1}')
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["x-name"].encode("latin-1").decode() == "Zoë"


async def test_headers_that_frame_the_message_are_ours() -> None:
    theirs = {
        "Host": "inside.example", "Content-Length": "3", "Transfer-Encoding": "chunked", "Connection": "keep-alive",
        "Upgrade": "websocket", "Expect": "100-continue", "Accept-Encoding": "br", "Proxy-Authorization": "Basic eA==",
    }  # fmt: skip
    async with web_server(lambda _: answer("fine")) as server:
        await ask(server.url, method="POST", headers=theirs, body=b"hello")
    [request] = server.requests
    assert request.body == b"hello"
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "gzip, deflate",
        "connection": "close",
        "content-length": "5",
    }


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "nul\x00"])
async def test_a_header_that_would_make_another_is_not_sent(value: str) -> None:
    async with web_server(lambda _: answer("fine")) as server:
        with pytest.raises(ConnectFailed):
            await ask(server.url, headers={"X-Name": value})
    assert server.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_like_any_other(status: int) -> None:
    async with web_server(lambda _: answer("there", status, Location="http://169.254.169.254/latest")) as server:
        got = await ask(server.url)
    assert (got.status, got.headers["location"], len(server.requests)) == (status, "http://169.254.169.254/latest", 1)


async def test_no_cookie_is_kept_and_no_proxy_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    outbound = loopback_outbound()
    async with web_server(lambda _: answer("fine", Set_Cookie="session=1; Path=/")) as server:
        await ask(server.url, outbound)
        await ask(server.url, outbound)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
async def test_a_packed_answer_is_unpacked(encoding: str, pack: type[bytes]) -> None:
    async with web_server(lambda _: answer(pack(b"hello " * 1000), Content_Encoding=encoding)) as server:
        got = await ask(server.url)
    assert (got.body, got.is_cut) == (b"hello " * 1000, False)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress", "gzip, br"])
async def test_an_answer_packed_as_nobody_asked_is_refused(encoding: str) -> None:
    async with web_server(lambda _: answer(gzip.compress(b"a"), Content_Encoding=encoding)) as server:
        with pytest.raises(ConnectFailed, match="not asked for"):
            await ask(server.url)


async def test_a_broken_packing_is_a_failure() -> None:
    async with web_server(lambda _: answer(b"no gzip at all", Content_Encoding="gzip")) as server:
        with pytest.raises(ConnectFailed):
            await ask(server.url)


@pytest.mark.parametrize(("size", "is_cut"), [(1000, False), (1001, True), (3_000_000, True)])
async def test_a_body_is_read_up_to_its_limit(size: int, is_cut: bool) -> None:
    async with web_server(lambda _: answer(b"x" * size)) as server:
        got = await ask(server.url, max_bytes=1000)
    assert (got.body, got.is_cut) == (b"x" * 1000, is_cut)


async def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    async with web_server(lambda _: answer(bomb, Content_Encoding="gzip")) as server:
        got = await ask(server.url, max_bytes=1000)
    assert (got.body, got.is_cut) == (b"\0" * 1000, True)


async def test_an_endless_body_is_cut_too() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"y" * 0x4000 + b"\r\n"
    async with web_server(lambda _: endless) as server:
        got = await ask(server.url, max_bytes=1000)
    assert (got.body, got.is_cut) == (b"y" * 1000, True)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!",
        b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-F: a\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "no HTTP", "cut", "no length", "long header", "many headers", "upgrade", "no chunk"],
)
async def test_what_is_no_answer_is_a_failure(said: bytes) -> None:
    async with web_server(lambda _: said) as server:
        with pytest.raises(ConnectFailed):
            await ask(server.url)


async def test_a_silent_server_is_given_up_at_the_deadline_and_left() -> None:
    async with web_server(lambda _: None) as server:
        with pytest.raises(ConnectFailed, match=r"within 0\.3 s"):
            await ask(server.url, timeout_s=0.3)


async def test_a_server_that_dribbles_does_not_move_the_deadline() -> None:
    """One deadline holds for all of it: a limit for each read would never be reached."""

    async def dribble(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            try:
                while True:
                    await stream.send(b".")
                    await anyio.sleep(0.01)
            except anyio.BrokenResourceError:
                return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, dribble)
        port = listener.extra_attributes[anyio.abc.SocketAttribute.local_port]()
        with pytest.raises(ConnectFailed, match=r"within 0\.5 s"):
            await ask(f"http://127.0.0.1:{port}/", timeout_s=0.5)
        tasks.cancel_scope.cancel()


async def test_every_connection_is_closed_however_its_request_ended() -> None:
    dialled: list[socket.socket] = []

    async def dial(address: str, port: int) -> socket.socket:
        dialled.append(await dial_address(address, port))
        return dialled[-1]

    def respond(request: WebRequest) -> bytes | None:
        return {"/cut": answer(b"x" * 5000), "/broken": b"nonsense\r\n\r\n", "/silent": None}.get(
            request.path, answer("fine")
        )

    outbound = Outbound(["127.0.0.1"], lambda: None, dial=dial)
    async with web_server(respond) as server:
        await ask(f"{server.url}/whole", outbound)
        await ask(f"{server.url}/cut", outbound, max_bytes=100)
        with pytest.raises(ConnectFailed):
            await ask(f"{server.url}/broken", outbound)
        with pytest.raises(ConnectFailed):
            await ask(f"{server.url}/silent", outbound, timeout_s=0.3)
        with pytest.raises(ConnectFailed):
            await ask(f"{server.url.replace('http', 'https')}/plain", outbound, timeout_s=0.3)
        with anyio.fail_after(PATIENCE_S):
            while any(tcp.fileno() != -1 for tcp in dialled):  # noqa: ASYNC110 - the loop closes them without an event
                await anyio.sleep(0.01)
    assert len(dialled) >= 3, "on a slow machine, the short deadlines may pass before anything is dialled"


@pytest.mark.parametrize(
    ("host", "is_served"), [("tool.test", True), ("other.test", False)], ids=["its own name", "another name"]
)
async def test_the_pinned_connection_keeps_the_name(tmp_path: Path, host: str, is_served: bool) -> None:
    pem = certificate(tmp_path, "tool.test")
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(pem)

    async def resolve(name: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with web_server(lambda _: answer("fine"), tls=server_tls) as server:
        outbound = Outbound(
            ["*"], lambda: None, resolve=resolve, make_tls=lambda: ssl.create_default_context(cafile=str(pem))
        )
        url = f"https://{host}:{server.port}/"
        if is_served:
            assert (await ask(url, outbound)).body == b"fine"
        else:
            with pytest.raises(ConnectFailed, match="certificate"):
                await ask(url, outbound)
    assert [request.headers["host"] for request in server.requests] == (
        [f"tool.test:{server.port}"] if is_served else []
    )


async def test_only_web_addresses_are_asked() -> None:
    for url in ("ws://127.0.0.1/", "wss://127.0.0.1/", "retold://demo-brain", "ftp://127.0.0.1/", "127.0.0.1"):
        with pytest.raises(AddressRefused):
            await ask(url, Outbound(["*"], lambda: "ws://127.0.0.1:1"))


async def test_a_client_of_a_library_goes_the_same_way() -> None:
    async with web_server(lambda _: answer({"ok": True})) as server:
        async with httpx2.AsyncClient(transport=loopback_outbound().http_transport()) as client:
            got = await client.post(server.url, json={"a": 1}, headers={"Host": "inside.example"})
            assert got.json() == {"ok": True}
        async with httpx2.AsyncClient(transport=Outbound([], lambda: None).http_transport()) as client:
            with pytest.raises(AddressRefused):
                await client.get(server.url)
        async with httpx2.AsyncClient(transport=loopback_outbound().http_transport(), timeout=0.3) as client:
            with pytest.raises(httpx2.TransportError):
                await client.get("http://127.0.0.1:1/")
    assert [request.headers["host"] for request in server.requests] == [f"127.0.0.1:{server.port}"]


async def test_a_librarys_own_time_limit_holds() -> None:
    async with (
        web_server(lambda _: None) as server,
        httpx2.AsyncClient(transport=loopback_outbound().http_transport(), timeout=0.3) as client,
    ):
        with pytest.raises(httpx2.TimeoutException):
            await client.get(server.url)
