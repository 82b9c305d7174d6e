"""Custom tools: what is sent, when it is sent again, and what the model is told."""

import json
from typing import Any

import anyio
import pytest

from retold.domain.webhook_signature import is_signed
from retold.errors import AddressRefused, ConnectFailed
from support.tool_calls import (
    NOW_MS,
    TOOL_CALL_ID,
    WEBHOOK_KEY,
    FakeHttp,
    answered,
    tool_context,
    tool_of,
    tool_services,
    use_tool,
)

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

URL = "https://shop.example/order"
GUESTS: dict[str, Any] = {
    "type": "object",
    "properties": {"guests": {"type": "integer"}, "name": {"type": "string"}},
    "required": ["guests"],
}


def custom(**fields: Any) -> Any:
    return tool_of(type="custom", name="order", **{"url": URL, **fields})


async def test_the_body_holds_name_call_and_arguments_and_is_signed() -> None:
    http = FakeHttp([answered("done")])
    context = tool_context(tool_services(http), variables={"city": "Köln"})
    result = await use_tool(custom(), context, {"guests": 2, "name": "Zoë"})
    assert (result.content, result.successful) == ("done", True)
    [asked] = http.asked
    assert (asked.method, asked.url, asked.timeout_s) == ("POST", URL, 120.0)
    assert list(asked.json) == ["name", "call", "args"]
    assert (asked.json["name"], asked.json["args"]) == ("order", {"guests": 2, "name": "Zoë"})
    call = asked.json["call"]
    assert (call["call_id"], call["transcript"]) == ("call_1", "User: a table for two\n")
    assert call["transcript_object"][0]["content"] == "a table for two"
    assert call["transcript_with_tool_calls"][-1] == {
        "role": "tool_call_invocation",
        "tool_call_id": TOOL_CALL_ID,
        "name": "the_tool",
        "arguments": "{}",
    }
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Idempotency-Key"] == TOOL_CALL_ID
    assert asked.body is not None
    assert is_signed(asked.body, WEBHOOK_KEY, asked.headers["X-Retell-Signature"], NOW_MS)
    assert "Zoë".encode() in asked.body
    assert b'": ' not in asked.body, "receivers that write the body anew before they verify it write it compactly"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_the_arguments_may_be_all_of_the_body(method: str) -> None:
    http = FakeHttp([answered("done")])
    await use_tool(custom(method=method, args_at_root=True), tool_context(tool_services(http)), {"guests": 2})
    assert (http.asked[0].method, http.asked[0].body) == (method, b'{"guests":2}')


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_has_no_body_carries_its_arguments_in_the_query(method: str) -> None:
    http = FakeHttp([answered("done")])
    tool = custom(method=method, query_params={"shop": "{{shop}}", "page": "1"})
    context = tool_context(tool_services(http), variables={"shop": "a&b=c"})
    await use_tool(tool, context, {"guests": 2, "names": ["Zoë", "Al"], "page": 7})
    [asked] = http.asked
    assert (asked.method, asked.body) == (method, None)
    assert asked.url == f"{URL}?guests=2&names=%5B%22Zo%C3%AB%22%2C%22Al%22%5D&page=1&shop=a%26b%3Dc"
    assert "Content-Type" not in asked.headers
    assert is_signed(b"", WEBHOOK_KEY, asked.headers["X-Retell-Signature"], NOW_MS)


async def test_headers_take_variables_and_never_break_in_two() -> None:
    http = FakeHttp([answered("done")])
    tool = custom(
        headers={"Authorization": "Bearer {{key}}", "content-type": "application/vnd.shop+json", "X-A": "{{b}}"}
    )
    await use_tool(tool, tool_context(tool_services(http), variables={"key": "k1", "b": "a\r\nX-Evil: 1"}))
    headers = http.asked[0].headers
    assert (headers["Authorization"], headers["X-A"]) == ("Bearer k1", "a X-Evil: 1")
    assert (headers["content-type"], "Content-Type" in headers) == ("application/vnd.shop+json", False)


async def test_a_signature_cannot_be_set_by_hand() -> None:
    http = FakeHttp([answered("done")])
    await use_tool(custom(headers={"x-retell-signature": "v=1,d=mine"}), tool_context(tool_services(http)))
    assert [name for name in http.asked[0].headers if name.lower() == "x-retell-signature"] == ["X-Retell-Signature"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("[1, 2]", "no JSON object"),
        ('{"guests": ', "no JSON object"),
        ({}, "guests is missing"),
        ({"guests": "two"}, "guests must be of the type integer"),
    ],
)
async def test_arguments_that_do_not_fit_are_not_sent(arguments: object, said: str) -> None:
    http = FakeHttp([answered("done")])
    result = await use_tool(custom(parameters=GUESTS), tool_context(tool_services(http)), arguments)
    assert not result.successful
    assert said in result.content
    assert http.asked == []


async def test_variables_are_read_from_the_answer() -> None:
    answer = {"order": {"id": 17, "items": [{"name": "tea"}], "note": None}}
    tool = custom(
        response_variables={
            "order_id": "$.order.id",
            "first": "order.items[0].name",
            "note": "$.order.note",
            "gone": "$.order.nothing",
        }
    )
    result = await use_tool(tool, tool_context(tool_services(FakeHttp([answered(answer)]))))
    assert result.variables == {"order_id": 17, "first": "tea"}


async def test_an_answer_that_is_no_json_gives_no_variables() -> None:
    tool = custom(response_variables={"order_id": "$.order.id"})
    result = await use_tool(tool, tool_context(tool_services(FakeHttp([answered("<html>")]))))
    assert (result.content, result.successful, result.variables) == ("<html>", True, {})


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
async def test_a_refusal_is_told_with_the_words_of_the_server(status: int) -> None:
    tool = custom(response_variables={"why": "$.why"})
    result = await use_tool(tool, tool_context(tool_services(FakeHttp([answered({"why": "no tables"}, status)]))))
    assert not result.successful
    assert str(status) in result.content
    assert "no tables" in result.content
    assert result.variables == {}


async def test_an_empty_answer_says_something() -> None:
    result = await use_tool(custom(), tool_context(tool_services(FakeHttp([answered("", 204)]))))
    assert result.successful
    assert result.content


async def test_a_long_answer_is_shown_in_part() -> None:
    result = await use_tool(custom(), tool_context(tool_services(FakeHttp([answered("x" * 20_000)]))))
    assert len(result.shown) == 15_000


async def test_a_refused_address_is_not_explained_to_the_caller() -> None:
    http = FakeHttp([AddressRefused("crm.lan resolves to 192.168.1.20, a private address")])
    result = await use_tool(custom(max_retry=3), tool_context(tool_services(http)))
    assert not result.successful
    assert "192.168" not in result.content
    assert len(http.asked) == 1, "what is refused once is refused for ever"


@pytest.mark.parametrize("failure", [ConnectFailed("no answer within 120 s"), answered("busy", 503), answered("", 429)])
async def test_what_may_pass_is_tried_again_as_often_as_allowed(failure: Any) -> None:
    http = FakeHttp([failure, failure, answered("done")])
    started_s = anyio.current_time()
    result = await use_tool(custom(max_retry=2), tool_context(tool_services(http)))
    assert (result.content, result.successful, len(http.asked)) == ("done", True, 3)
    assert anyio.current_time() - started_s == pytest.approx(1.5)
    keys = {asked.headers["Idempotency-Key"] for asked in http.asked}
    assert keys == {TOOL_CALL_ID}, "the service knows the attempts for one"


@pytest.mark.parametrize(("max_retry", "attempts"), [(None, 1), (0, 1), (5, 6)])
async def test_attempts_have_an_end(max_retry: int | None, attempts: int) -> None:
    http = FakeHttp([ConnectFailed("nobody there")])
    result = await use_tool(custom(max_retry=max_retry), tool_context(tool_services(http)))
    assert (result.successful, len(http.asked)) == (False, attempts)
    assert "nobody there" in result.content


async def test_a_refusal_for_good_is_not_tried_again() -> None:
    http = FakeHttp([answered("no such thing", 404)])
    await use_tool(custom(max_retry=5), tool_context(tool_services(http)))
    assert len(http.asked) == 1


async def test_the_tools_own_time_limit_holds_for_each_attempt() -> None:
    http = FakeHttp([ConnectFailed("late")])
    await use_tool(custom(timeout_ms=2_500, max_retry=1), tool_context(tool_services(http)))
    assert [asked.timeout_s for asked in http.asked] == [2.5, 2.5]


async def test_half_characters_and_huge_numbers_are_sent_all_the_same() -> None:
    http = FakeHttp([answered("done")])
    await use_tool(
        custom(args_at_root=True), tool_context(tool_services(http)), '{"a": "\\ud800", "b": 123456789012345678901}'
    )
    assert json.loads(http.asked[0].body or b"") == {"a": "\ud800", "b": 123456789012345678901}


async def test_an_organisation_without_a_webhook_key_sends_unsigned() -> None:
    async def no_key(_org: object) -> str | None:
        return None

    http = FakeHttp([answered("done")])
    await use_tool(custom(), tool_context(tool_services(http, webhook_key=no_key)))
    assert "X-Retell-Signature" not in http.asked[0].headers
