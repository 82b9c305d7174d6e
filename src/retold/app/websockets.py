"""Uvicorn's websockets with a short way for audio.

Uvicorn stops reading the socket at each message, queues it, wakes the application's task and reads on once that has
taken it: two system calls and a change of tasks for each of fifty frames a second and call. An application that can
take a binary message without waiting asks for it to be handed over where it was read (`DIRECT` in the `extensions` of
its ASGI scope). All else, and a message that comes while others are queued, goes uvicorn's way, so that order holds.
"""

from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from retold.transports.websocket import DIRECT


class DirectWebSockets(WebSocketsSansIOProtocol):
    """One connection; the application's `take` must neither wait nor raise."""

    _take: Callable[[bytes], None] | None = None
    _is_offered = False

    def handle_connect(self, event: Request) -> None:
        """Offer the short way to the application."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application's task was made just now and has not run yet.
            cast("dict[str, Any]", self.scope)["extensions"][DIRECT] = self._divert
            self._is_offered = True

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message over, by one way or the other."""
        if self._take is None or self.curr_msg_data_type == "text" or self.close_sent or not self.queue.empty():
            super().send_receive_event_to_app()
            return
        chunk = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        self._take(chunk)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the offer back and stop the parser: a connection and what refers to it outlive the call together."""
        super().connection_lost(exc)
        self.conn.parser.close()
        if self._is_offered:
            cast("dict[str, Any]", self.scope)["extensions"].pop(DIRECT)

    def _divert(self, take: Callable[[bytes], None] | None) -> None:
        self._take = take
