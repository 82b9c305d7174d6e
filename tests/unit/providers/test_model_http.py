"""Deadlines, refusals, cuts and closing, on virtual time."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import anyio
import httpx2
import pytest

from retold.errors import ModelFailed
from retold.providers.model_http import ModelEndpoint
from retold.providers.model_limits import Deadlines
from retold.providers.server_sent_events import MAX_EVENT_BYTES, ServerSentEvent
from support.model_wire import Wire, WireAnswer, event

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

DEADLINES = Deadlines(first_byte_s=3.0, between_s=2.0)
URL = "http://model.test/v1/chat/completions"


@asynccontextmanager
async def endpoint(wire: Wire, secrets: tuple[str, ...] = ()) -> AsyncGenerator[ModelEndpoint]:
    async with httpx2.AsyncClient(transport=wire) as http:
        yield ModelEndpoint(http, URL, {"X-Key": "s3cret"}, DEADLINES, secrets)


def is_done(said: ServerSentEvent) -> bool:
    return said.data == b"[DONE]"


async def heard(wire: Wire, secrets: tuple[str, ...] = ()) -> list[bytes]:
    async with endpoint(wire, secrets) as asked, aclosing(asked.events({"a": 1}, is_done)) as events:
        return [said.data async for said in events]


async def failure_of(answer: WireAnswer | Exception, secrets: tuple[str, ...] = ()) -> tuple[ModelFailed, float]:
    began = anyio.current_time()
    with pytest.raises(ModelFailed) as failed:
        await heard(Wire([answer]), secrets)
    return failed.value, anyio.current_time() - began


async def test_events_come_as_they_are_sent_and_the_request_is_json() -> None:
    wire = Wire([WireAnswer([event("one"), event("two")[:3], event("two")[3:], event("[DONE]"), event("late")])])
    assert await heard(wire) == [b"one", b"two", b"[DONE]"]
    (request,) = wire.requests
    assert (str(request.url), request.method, request.content) == (URL, "POST", b'{"a":1}')
    assert request.headers["X-Key"] == "s3cret"
    assert request.headers["Accept-Encoding"] == "identity"


async def test_a_slow_answer_is_fine_while_each_event_is_in_time() -> None:
    pieces = [2.9, event("one"), 1.9, event("two"), 1.9, event("three")]
    assert await heard(Wire([WireAnswer(pieces)])) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("answer", "after_s", "shown"),
    [
        (WireAnswer([event("one")], after_s=60), 3.0, "3000 ms"),
        (WireAnswer([60.0, event("one")]), 3.0, "3000 ms"),
        (WireAnswer([event("one"), 60.0]), 2.0, "2000 ms"),
        (WireAnswer([event("one"), 1.0, b": still here\n\n", 1.5, event("two")]), 2.0, "2000 ms"),
        (WireAnswer([event("one"), 1.0, event("{}", "ping"), 1.5, event("two")]), 2.0, "2000 ms"),
        (WireAnswer([event("one"), 1.0, b"data: tw", 1.5, b"o\n\n"]), 2.0, "2000 ms"),
        (WireAnswer([60.0, b"too late"], status=500, content_type="text/plain"), 1.0, "answered 500"),
    ],
    ids=["no head", "no event", "then silence", "only comments", "only pings", "half an event", "half a refusal"],
)
async def test_silence_is_cut_off_at_its_deadline(answer: WireAnswer, after_s: float, shown: str) -> None:
    failure, took_s = await failure_of(answer)
    assert shown in str(failure)
    assert failure.is_retryable
    assert took_s == pytest.approx(after_s)
    assert answer.is_closed or answer.after_s


async def test_what_the_reader_takes_for_itself_is_not_the_models_silence() -> None:
    async with endpoint(Wire([WireAnswer([event("one"), 1.9, event("two")])])) as asked:
        said: list[bytes] = []
        async with aclosing(asked.events({}, is_done)) as events:
            async for each in events:
                said.append(each.data)
                await anyio.sleep(30)
    assert said == [b"one", b"two"]


@pytest.mark.parametrize(
    "error", [httpx2.ConnectError("nobody there"), httpx2.RemoteProtocolError("disconnected"), httpx2.ReadError("")]
)
async def test_a_server_that_cannot_be_asked_or_cuts_off_may_be_tried_again(error: Exception) -> None:
    for answer in (error, WireAnswer([event("one"), error])):
        failure, _ = await failure_of(answer)
        assert failure.is_retryable
        assert failure.status is None
        assert (str(error) or type(error).__name__) in str(failure)


async def test_a_refusal_is_shown_in_part_and_without_secrets() -> None:
    said = b'{"error": "wrong key sk-12345 ' + b"x" * 50_000
    answer = WireAnswer([said[:20], said[20:], 600.0], status=401, content_type="application/json")
    failure, took_s = await failure_of(answer, secrets=("", "sk-12345"))
    assert "wrong key ***" in str(failure)
    assert len(str(failure)) < 1_100
    assert (failure.status, failure.is_retryable) == (401, False)
    assert took_s == 0
    assert answer.is_closed


async def test_a_refusal_that_breaks_off_is_a_refusal() -> None:
    failure, _ = await failure_of(WireAnswer([b"bus", httpx2.ReadError("cut")], status=529, content_type="text/html"))
    assert (failure.status, failure.is_retryable) == (529, True)
    assert "bus" in str(failure)


async def test_an_answer_that_is_no_stream_is_refused() -> None:
    failure, _ = await failure_of(WireAnswer([b'{"choices": []}'], content_type="application/json"))
    assert "did not stream" in str(failure)
    assert not failure.is_retryable


async def test_an_answer_without_end_is_refused() -> None:
    failure, _ = await failure_of(WireAnswer([b"data: " + b"x" * MAX_EVENT_BYTES] * 2))
    assert "beyond all measure" in str(failure)


async def test_leaving_closes_the_answer_at_once() -> None:
    answer = WireAnswer([event("one"), 600.0])
    async with endpoint(Wire([answer])) as asked:
        began = anyio.current_time()
        async with aclosing(asked.events({}, is_done)) as events:
            async for _ in events:
                break
        assert answer.is_closed
        assert anyio.current_time() == began


async def test_a_last_event_without_the_end_of_the_body_does_not_wait_for_it() -> None:
    answer = WireAnswer([event("[DONE]"), 600.0])
    began = anyio.current_time()
    assert await heard(Wire([answer])) == [b"[DONE]"]
    assert anyio.current_time() - began < 0.1
    assert answer.is_closed


async def test_half_a_character_can_be_asked_about() -> None:
    wire = Wire([WireAnswer([event("[DONE]")])])
    async with endpoint(wire) as asked, aclosing(asked.events({"text": "a\ud800"}, is_done)) as events:
        assert [said.data async for said in events] == [b"[DONE]"]
    assert wire.bodies == [{"text": "a\ud800"}]
