"""A TCP front that loses a server's answers: the request takes effect, and its client never hears of it."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

IO_TIMEOUT_S = 20
BLOCK_BYTES = 65536


class LossyFront:
    """Passes each connection on, and closes as many as `losses` says once the server has answered on them."""

    def __init__(self, server_url: str) -> None:
        address = urlsplit(server_url)
        self.losses = 0
        self.lost = 0
        """How many answers were lost so far."""
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
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server, IO_TIMEOUT_S) as server:
            client.settimeout(IO_TIMEOUT_S)
            upwards = threading.Thread(target=_copy, args=(client, server), daemon=True)
            upwards.start()
            while answer := _received(server):
                if self.losses > 0:
                    self.losses -= 1
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)


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
