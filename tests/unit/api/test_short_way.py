"""The short way to a route and the long one answer alike: status, headers and body, byte for byte."""

import json
import re
from typing import Any, NamedTuple

import httpx2
import orjson
import pytest

from retold.api.application import guarded, make_application, make_routes
from retold.app import App
from retold.domain.api_key import NewKey
from retold.domain.scopes import Scope
from retold.ids import DEFAULT_ORG_ID, OrgId

pytestmark = pytest.mark.anyio

PATHS = ("/v2/create-web-call", "/v3/create-web-call")
ENGINE = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
_MADE_ANEW = re.compile(rb'"(?:call_id|access_token|expires_at)":(?:"[^"]*"|\d+)|call_[0-9a-f]{20,}|req_[0-9a-f]+')
GOOD: dict[str, Any] = {"agent_id": "demo"}

BODIES: dict[str, Any] = {
    "good": GOOD,
    "everything": GOOD
    | {
        "agent_version": "latest",
        "metadata": {"a": None, "b": [1, 2.5, {"c": "ü\u2028"}], "long": 10**30, "empty": {}, "tiny": 1e-9},
        "retell_llm_dynamic_variables": {"name": "Ada", "count": 3, "ratio": 1.0, "is_new": True, "unset": None},
        "agent_override": {"agent": {"voice_speed": 1.5, "agent_name": "Bob", "is_transfer_agent": True}},
        "current_node_id": "node",
        "current_state": "state",
    },
    "empty maps": GOOD | {"metadata": {}, "retell_llm_dynamic_variables": {}},
    "unset by null": GOOD | {"metadata": None, "agent_override": None, "agent_version": None},
    "tag": GOOD | {"agent_version": "prod"},
    "number": GOOD | {"agent_version": 0},
    "number as a fraction": GOOD | {"agent_version": 0.0},
    "ignored fields": GOOD | {"agent_idd": 1, "metadat": {}, "agent_override": {"agnt": {}, "agent": {"voice": 1}}},
    "many ignored fields": GOOD | {f"field_{number}": number for number in range(30)},
    "no voice": GOOD | {"agent_override": {"agent": {"voice_id": "11labs-none"}}},
    "other engine": GOOD | {"agent_override": {"agent": {"response_engine": {"type": "retell-llm", "llm_id": "x"}}}},
    "unknown agent": {"agent_id": "dmo"},
    "unknown version": GOOD | {"agent_version": 99},
    "unknown tag": GOOD | {"agent_version": "prd"},
    "bad version": GOOD | {"agent_version": ""},
    "version of another type": GOOD | {"agent_version": [1]},
    "no agent": {},
    "agent of another type": {"agent_id": 5},
    "agent without a name": {"agent_id": ""},
    "agent with a long name": {"agent_id": "a" * 201},
    "metadata of another type": GOOD | {"metadata": "gold"},
    "metadata too long": GOOD | {"metadata": {"a": "x" * 50_001}},
    "variables of another type": GOOD | {"retell_llm_dynamic_variables": {"a": {"b": 1}}},
    "several wrong": {"agent_id": 5, "metadata": 1, "agent_override": 2},
    "override out of range": GOOD | {"agent_override": {"agent": {"voice_speed": 9}}},
    "list": [GOOD],
    "text": "demo",
    "null": None,
    "number for a body": 7,
}
RAW: dict[str, bytes] = {
    "nothing": b"",
    "cut off": b'{"agent_id": "demo"',
    "twice": b'{"agent_id": "demo"}{}',
    "not UTF-8": b'{"agent_id": "\xff"}',
    "lone surrogate": b'{"agent_id": "demo", "metadata": {"a": "\\ud800"}}',
    "not a number": b'{"agent_id": "demo", "metadata": {"a": NaN}}',
    "same name twice": b'{"agent_id": "none", "agent_id": "demo"}',
    "NUL": b'{"agent_id": "demo", "metadata": {"a": "\\u0000"}}',
    "deep": b'{"agent_id": "demo", "metadata": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
    "too long": b'{"agent_id": "demo", "metadata": {"a": "' + b"x" * 1_100_000 + b'"}}',
}
HEADERS: dict[str, dict[str, str]] = {
    "no key": {"Authorization": ""},
    "wrong key": {"Authorization": "Bearer key_wrong"},
    "another scheme": {"Authorization": "Basic key_unit_0123456789abcdef"},
    "key that may only read": {"Authorization": "Bearer key_that_reads"},
    "key of another organisation": {"Authorization": "Bearer key_of_another"},
    "form": {"Content-Type": "application/x-www-form-urlencoded"},
    "no content type": {"Content-Type": ""},
    "packed": {"Content-Encoding": "gzip"},
    "bad idempotency key": {"Idempotency-Key": "with space"},
    "bad idempotency key and no key": {"Idempotency-Key": "with space", "Authorization": ""},
    "request id": {"X-Request-Id": "mine"},
    "browser": {"Origin": "https://example.com"},
}


class Ways(NamedTuple):
    """The same server, asked by both ways."""

    short: httpx2.AsyncClient
    long: httpx2.AsyncClient


class Shown(NamedTuple):
    """An answer, without what is made anew for each."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@pytest.fixture
async def ways(app: App, api: httpx2.AsyncClient) -> Ways:
    assert (await api.post("/assign-agent-tag/demo", json={"tag": "prod", "version": 0})).is_success
    await app.store.keys.create(DEFAULT_ORG_ID, "key_that_reads", NewKey(api_key_name="r", scopes=(Scope.READ,)))
    await app.store.keys.create(OrgId("org_other"), "key_of_another")
    long_way = guarded(make_routes(app.context), app.settings.web_origins)
    return Ways(_client(make_application(app.context), api), _client(long_way, api))


def _client(asgi: Any, like: httpx2.AsyncClient) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=asgi, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=like.base_url, headers=like.headers)


async def ask(client: httpx2.AsyncClient, path: str, content: bytes, headers: dict[str, str]) -> Shown:
    sent = {"Content-Type": "application/json"} | headers
    answer = await client.post(path, content=content, headers=sent)
    shown = [(name.lower(), _MADE_ANEW.sub(b"-", value)) for name, value in answer.headers.raw]
    return Shown(answer.status_code, shown, _MADE_ANEW.sub(b"-", answer.content))


async def answered_alike(ways: Ways, content: bytes, headers: dict[str, str] | None = None) -> list[Shown]:
    """The answers of both versions, once both ways gave the same."""
    answers: list[Shown] = []
    for path in PATHS:
        short, long = [await ask(client, path, content, headers or {}) for client in ways]
        assert short == long, (content[:200], headers)
        answers.append(short)
    return answers


async def test_bodies_are_answered_alike(ways: Ways) -> None:
    statuses: set[int] = set()
    for body in BODIES.values():
        statuses |= {answer.status for answer in await answered_alike(ways, json.dumps(body).encode())}
    assert statuses == {201, 400, 422}


async def test_what_is_no_good_json_is_answered_alike(ways: Ways) -> None:
    for content in RAW.values():
        await answered_alike(ways, content)


async def test_headers_are_heeded_alike(ways: Ways) -> None:
    statuses: set[int] = set()
    for headers in HEADERS.values():
        for body in (GOOD, {"agent_id": 5}):
            statuses |= {answer.status for answer in await answered_alike(ways, orjson.dumps(body), headers)}
    assert statuses == {201, 400, 401, 403, 422}


async def test_a_repeated_request_is_answered_alike(ways: Ways) -> None:
    sequences: list[list[Shown]] = []
    for number, client in enumerate(ways):
        key = {"Idempotency-Key": f"key-{number}"}
        bodies = (GOOD, GOOD, GOOD | {"metadata": {"a": 1}}, {"agent_id": 5})
        sequences.append([await ask(client, path, orjson.dumps(body), key) for path in PATHS for body in bodies])
    assert sequences[0] == sequences[1]
    assert [answer.status for answer in sequences[0]] == [201, 201, 422, 422] * 2
    assert (b"idempotent-replayed", b"true") in sequences[0][1].headers


async def test_other_methods_and_paths_are_answered_alike(ways: Ways) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        for path in (*PATHS, "/v2/create-web-call/", "/v2/create-web-call/x", "/v1/create-web-call", "/v2/get-call/"):
            short, long = [await client.request(method, path, content=b"{}") for client in ways]
            assert (short.status_code, short.content) == (long.status_code, long.content)


async def test_a_server_that_takes_no_calls_says_so_alike(app: App, ways: Ways) -> None:
    await app.live.drain()
    refused = await answered_alike(ways, orjson.dumps(GOOD))
    assert [answer.status for answer in refused] == [503, 503]
