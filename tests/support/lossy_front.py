"""A TCP front that does what networks and proxies do to clients: it loses answers, resets, and refuses by itself."""

import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

IO_TIMEOUT_S = 60
BLOCK_BYTES = 65536


class LossyFront:
    """Passes each connection on, except as many as it is told to lose, to reset and to refuse.

    A lost answer is one whose request has taken effect. What is reset or refused never reaches the server.
    """

    def __init__(self, server_url: str) -> None:
        address = urlsplit(server_url)
        self.losses = 0
        self.lost = 0
        """How many answers were lost so far."""
        self.passed = 0
        """How many answers, or pieces of them, reached their client."""
        self.resets = 0
        """How many connections to reset before anything is read of them."""
        self.refusals: list[int] = []
        """HTTP statuses to answer with, in this order, before anything is passed on again."""
        self._server = (address.hostname or "127.0.0.1", address.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Serve until closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(IO_TIMEOUT_S)
        if self.resets > 0:
            self.resets -= 1
            _reset(client)
        elif self.refusals:
            _refuse(client, self.refusals.pop(0))
        else:
            self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server, IO_TIMEOUT_S) as server:
            upwards = threading.Thread(target=_copy, args=(client, server), daemon=True)
            upwards.start()
            while answer := _received(server):
                if self.losses > 0:
                    self.losses -= 1
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)
                self.passed += 1


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def _refuse(client: socket.socket, status: int) -> None:
    """Answer one request with a status and close."""
    with client:
        asked = b""
        while b"\r\n\r\n" not in asked and (block := _received(client)):
            asked += block
        client.sendall(f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def _copy(source: socket.socket, target: socket.socket) -> None:
    while block := _received(source):
        target.sendall(block)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(BLOCK_BYTES)
    except OSError:
        return b""


@contextmanager
def lossy_front(server_url: str) -> Generator[LossyFront]:
    """A front that runs."""
    front = LossyFront(server_url)
    runner = threading.Thread(target=front.run, daemon=True)
    runner.start()
    try:
        yield front
    finally:
        front.close()
        runner.join(IO_TIMEOUT_S)
