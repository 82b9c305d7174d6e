"""Client websockets that carry text, on connections that the guard has opened."""

from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from retold.domain.addresses import Target
from retold.outbound.guard import Line, let_go

MAX_MESSAGE_BYTES: Final = 1 << 20
_CLOSE_TIMEOUT_S: Final = 1.0
_PROTOCOL_PING_S: Final = 20.0
_NO_CLOSE_FRAME: Final = 1006
_PING_TIMEOUT: Final = 1011


class SocketClosed(Exception):
    """The websocket is closed. `code` is 1006 without a close frame and 1005 for a frame without a code (RFC 6455)."""

    def __init__(self, code: int, reason: str = "", *, is_our_refusal: bool = False) -> None:
        super().__init__(f"closed with code {code}")
        self.code = code
        self.reason = reason
        self.is_our_refusal = is_our_refusal
        """We closed it, because the peer sent a frame that breaks the protocol or the size limit."""


class ClientSocket:
    """An open client websocket that carries text."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str | bytes) -> None:
        """Send one text frame, bytes being UTF-8; waits while the peer does not read. Raises SocketClosed."""
        try:
            await self._connection.send(text, text=True)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        """Wait for one message; bytes when it was a binary frame. Safe to cancel. Raises SocketClosed."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within a second, whether or not the peer agrees."""
        await self._connection.close(code, reason)


async def open_websocket(target: Target, line: Line) -> ClientSocket:
    """Shake hands on a connection, which is closed when that fails.

    Raises OSError, EOFError, websockets' InvalidHandshake and InvalidURI.
    """
    try:
        connection = await _DirectConnect(
            target.url,
            sock=line.tcp,
            ssl=line.tls,
            proxy=None,
            open_timeout=None,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=_PROTOCOL_PING_S,
            max_size=MAX_MESSAGE_BYTES,
            compression=None,
            create_connection=_Connection,
        )
    except AssertionError as error:
        # How websockets takes a peer that answers and hangs up before it is asked.
        await let_go(line.tcp)
        raise EOFError("the server spoke before it was asked") from error
    except BaseException:  # raised again: also who is cancelled leaves no connection open
        await let_go(line.tcp)
        raise
    return ClientSocket(connection)


class _Connection(ClientConnection):
    """A connection that is freed when it is over."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the parser: it and what it parses for hold each other, and would wait for the garbage collector."""
        super().connection_lost(exc)
        self.protocol.parser.close()


class _DirectConnect(connect):
    """A websocket handshake that takes a redirect for the failure it is."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _closed(error: ConnectionClosed) -> SocketClosed:
    if error.sent is not None and not error.rcvd_then_sent:
        # A peer that answers no protocol ping is gone, just as if its connection had been cut.
        if error.sent.code == _PING_TIMEOUT:
            return SocketClosed(_NO_CLOSE_FRAME, error.sent.reason)
        return SocketClosed(error.sent.code, error.sent.reason, is_our_refusal=True)
    if error.rcvd is None:
        return SocketClosed(_NO_CLOSE_FRAME)
    return SocketClosed(error.rcvd.code, error.rcvd.reason)
