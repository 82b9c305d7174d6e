"""Reads server-sent events (WHATWG HTML, section 9.2) from bytes that come in pieces of any size.

Pure: bytes in, events out. Lines end with LF, CR LF or CR; comments and unknown fields are skipped, and `id` and
`retry` mean nothing to one answer that is read once.
"""

from dataclasses import dataclass
from typing import Final

MAX_EVENT_BYTES: Final = 1 << 20
MAX_STREAM_BYTES: Final = 8 << 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class StreamTooLong(Exception):
    """The peer sends an event, or a stream, beyond what is taken from it."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event; `data` is UTF-8 as it came, its lines joined by LF."""

    name: str
    data: bytes


class EventReader:
    """One stream. An event that the end of the stream cuts off is never given, as the standard has it."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES, max_stream_bytes: int = MAX_STREAM_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._left_bytes = max_stream_bytes
        self._beginning: list[bytes] = []
        """Of a line whose end is still to come; joined once, or tiny pieces would cost the square of its length."""
        self._beginning_bytes = 0
        self._is_after_cr = False
        self._is_first_line = True
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Give the events that this piece completes. Raises StreamTooLong."""
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise StreamTooLong("the stream is too long")
        *ended, open_line = self._lines(piece)
        if ended:
            ended[0] = b"".join([*self._beginning, ended[0]])
            self._beginning, self._beginning_bytes = [], 0
        events = [event for line in ended if (event := self._take(line))]
        if open_line:
            self._beginning.append(open_line)
            self._beginning_bytes += len(open_line)
            self._refuse_beyond(self._beginning_bytes + self._data_bytes)
        return events

    def _lines(self, piece: bytes) -> list[bytes]:
        """The piece, cut at its line ends; CR LF is one, also when it is cut in the middle."""
        if self._is_after_cr and piece.startswith(b"\n"):
            self._is_after_cr, piece = False, piece[1:]
        if piece:
            self._is_after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")

    def _take(self, line: bytes) -> ServerSentEvent | None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._complete()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self._refuse_beyond(self._data_bytes)
        elif field == b"event":
            self._name = value.decode(errors="replace")
        return None

    def _complete(self) -> ServerSentEvent | None:
        name, data = self._name, self._data
        self._name, self._data, self._data_bytes = "", [], 0
        return ServerSentEvent(name or "message", b"\n".join(data)) if data else None

    def _refuse_beyond(self, event_bytes: int) -> None:
        if event_bytes > self._max_event_bytes:
            raise StreamTooLong(f"an event is longer than {self._max_event_bytes} bytes")
