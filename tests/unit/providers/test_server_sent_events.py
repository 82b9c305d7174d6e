"""Events are the same however the bytes were cut; nothing grows without bound."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.providers.server_sent_events import EventReader, ServerSentEvent, StreamTooLong


def read(*pieces: bytes, reader: EventReader | None = None) -> list[ServerSentEvent]:
    reader = reader or EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


def message(*data: bytes) -> list[ServerSentEvent]:
    return [ServerSentEvent("message", each) for each in data]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", message(b"one", b"two")),
        (b"data:[DONE]\n\n", message(b"[DONE]")),
        (b"data:  two spaces\n\n", message(b" two spaces")),
        (b"data: a\ndata: b\n\n", message(b"a\nb")),
        (b"event: ping\ndata: {}\n\ndata: x\n\n", [ServerSentEvent("ping", b"{}"), *message(b"x")]),
        (b": still here\n\n: and here\ndata: x\n\n", message(b"x")),
        (b"event: nothing\n\ndata: x\n\n", message(b"x")),
        (b"data\n\n", message(b"")),
        (b"id: 5\nretry: 10\nunknown: z\ndata: x\n\n", message(b"x")),
        (b"\xef\xbb\xbfdata: x\n\n", message(b"x")),
        (b"data: x\r\n\r\ndata: y\r\rdata: z\n\n", message(b"x", b"y", b"z")),
        (b"data: cut off\n", []),
        (b"data: cut off", []),
        (b"\n\n\n", []),
        (b"", []),
    ],
    ids=str,
)
def test_the_standard_is_followed(stream: bytes, events: list[ServerSentEvent]) -> None:
    assert read(stream) == events


LINES = st.sampled_from(
    [
        b"data: one",
        b"data:",
        b"data: \xc3\xa9",
        b"event: ping",
        b": comment",
        b"",
        b"",
        b"id: 5",
        b"da",
        b"\xef\xbb\xbf",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(0, 200)))
def test_any_cutting_gives_the_same_events(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines)
    marks = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(marks)]
    single = [stream[place : place + 1] for place in range(len(stream))]
    assert read(*pieces) == read(*single) == read(stream)


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    assert all(b"\r" not in event.data for event in read(*pieces))


@pytest.mark.parametrize(
    "piece", [b"x" * 50, b"data: " + b"x" * 20 + b"\n", b"data:\n" * 20], ids=["line", "lines", "empty"]
)
def test_an_event_without_end_is_refused(piece: bytes) -> None:
    with pytest.raises(StreamTooLong, match="longer than 100 bytes"):
        read(*[piece] * 10, reader=EventReader(max_event_bytes=100))


def test_a_stream_without_end_is_refused() -> None:
    with pytest.raises(StreamTooLong, match="stream"):
        read(*[b"data: x\n\n"] * 200, reader=EventReader(max_stream_bytes=1_000))
