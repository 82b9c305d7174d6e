"""Every operation of the API's own description, asked by those who may not: refused, alike, and nothing is written.

The matrix is made from `GET /openapi.json`, so a route that is added is in it.
"""

import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from retold.domain.scopes import Scope, scope_for
from support.api_description import Operation, operations
from support.server import running_server

UNKNOWN = {
    "agent_id": "agent_" + "0" * 26,
    "call_id": "call_" + "0" * 27,
    "api_key_id": "apikey_" + "0" * 16,
    "llm_id": "llm_" + "0" * 24,
    "phone_number": "+14155550199",
    "voice_id": "voice_none",
}
SAYS_NOTHING = {"date", "x-request-id", "content-length"}
"""Headers that differ from answer to answer."""
UNKNOWN_STATUSES = {404, 422}
EXPIRES_MS = 500


@dataclass(frozen=True, slots=True)
class House:
    """A server with two organisations; `ids` are what the first one has."""

    http: httpx2.Client
    own: str
    stranger: str
    expired: str
    revoked: str
    without: Mapping[Scope, str]
    """Keys of the first organisation that have every scope but those that open what needs this one."""
    ids: Mapping[str, str]
    operations: list[Operation]

    def ask(self, operation: Operation, secret: str | None, ids: Mapping[str, str]) -> httpx2.Response:
        """One request; without a key when `secret` is None."""
        headers = {} if secret is None else bearer(secret)
        return self.http.request(
            operation.method, operation.at(ids), params=operation.query, json=operation.body_with(ids), headers=headers
        )

    def kept(self, secret: str) -> list[Any]:
        """Everything an organisation sees of itself, but for when its keys were used."""
        lists = ("/list-agents", "/list-api-keys", "/list-retell-llms")
        get = [self.http.get(path, headers=bearer(secret)).json() for path in lists]
        calls = self.http.post("/v2/list-calls", json={}, headers=bearer(secret)).json()
        for key in get[1]:
            key.pop("last_used_timestamp", None)
        return [*get, calls]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    folder = tmp_path_factory.mktemp("authorisation") / "data"
    # The matrix asks with more wrong keys than an honest client would.
    with (
        running_server(folder, env={"RETOLD_FAILED_KEYS_PER_MINUTE": "1000000"}) as server,
        httpx2.Client(base_url=server.url, timeout=30) as http,
    ):
        own = bearer(server.api_key)

        def make(path: str, **body: Any) -> dict[str, Any]:
            answer = http.post(path, json=body, headers=own)
            assert answer.status_code == 201, answer.text
            return answer.json()

        expired = make("/create-api-key", expires_timestamp=int(time.time() * 1000) + EXPIRES_MS)["api_key"]
        revoked = make("/create-api-key")
        assert http.delete(f"/delete-api-key/{revoked['api_key_id']}", headers=own).status_code == 204
        key_id = make("/create-api-key", api_key_name="target")["api_key_id"]
        llm_id = make("/create-retell-llm", general_prompt="Be kind.")["llm_id"]
        engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
        agent_id = make("/create-agent", voice_id="default", response_engine=engine)["agent_id"]
        call_id = make("/v2/create-web-call", agent_id=agent_id)["call_id"]
        without = {scope: make("/create-api-key", scopes=all_but(scope))["api_key"] for scope in Scope}
        stranger = subprocess.run(
            [sys.executable, "-m", "retold", "keys", "create", "--org", "org_stranger", "--data-dir", str(folder)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()[0]
        while http.get("/list-agents", headers=bearer(expired)).status_code != 401:
            time.sleep(0.05)
        described = list(operations(http.get("/openapi.json").json()))
        ids = {"agent_id": agent_id, "call_id": call_id, "api_key_id": key_id, "llm_id": llm_id}
        yield House(http, server.api_key, stranger, expired, revoked["api_key"], without, ids, described)


def all_but(scope: Scope) -> list[str]:
    opened_by = {scope, Scope.CALLS} if scope is Scope.WEB_CALLS else {scope}
    return [str(other) for other in Scope if other not in opened_by]


def shape(answer: httpx2.Response, ids: Mapping[str, str]) -> tuple[int, str, dict[str, str]]:
    """What a client can tell apart, with the ids that it sent itself taken out."""
    text = answer.text
    for value in ids.values():
        text = text.replace(value, "ID")
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in SAYS_NOTHING}
    return answer.status_code, text, headers


def test_the_matrix_has_every_route_that_needs_a_key(house: House) -> None:
    guarded = [operation for operation in house.operations if operation.needs_key]
    assert len(guarded) >= 15
    open_paths = {operation.path for operation in house.operations if not operation.needs_key}
    files = {"/files/{token}/{name}", "/voice-previews/{name}"}
    assert open_paths == {"/health/live", "/health/ready", "/openapi.json", *files}


@pytest.mark.parametrize("kind", ["none", "malformed", "unknown", "expired", "revoked"])
def test_without_a_good_key_nothing_is_told_and_nothing_written(house: House, kind: str) -> None:
    secret = {
        "none": None,
        "malformed": "x" * 600,
        "unknown": "key_" + "0" * 64,
        "expired": house.expired,
        "revoked": house.revoked,
    }[kind]
    before = house.kept(house.own)
    wrong: list[str] = []
    for operation in house.operations:
        if not operation.needs_key:
            continue
        real, unknown = (house.ask(operation, secret, ids) for ids in (house.ids, UNKNOWN))
        if real.status_code != 401 or shape(real, house.ids) != shape(unknown, UNKNOWN):
            wrong.append(f"{operation.name}: {real.status_code} {real.text[:200]}")
    assert wrong == []
    assert house.kept(house.own) == before


def test_without_the_scope_nothing_is_told_and_nothing_written(house: House) -> None:
    before = house.kept(house.own)
    wrong: list[str] = []
    for operation in house.operations:
        if not operation.needs_key:
            continue
        secret = house.without[scope_for(operation.method, operation.path)]
        real, unknown = (house.ask(operation, secret, ids) for ids in (house.ids, UNKNOWN))
        if real.status_code != 403 or shape(real, house.ids) != shape(unknown, UNKNOWN):
            wrong.append(f"{operation.name}: {real.status_code} {real.text[:200]}")
    assert wrong == []
    assert house.kept(house.own) == before


def test_what_belongs_to_another_organisation_is_answered_like_what_is_not_there(house: House) -> None:
    before, theirs = house.kept(house.own), house.kept(house.stranger)
    wrong: list[str] = []
    asked = 0
    for operation in house.operations:
        named = {*operation.parameters, *(operation.body if isinstance(operation.body, dict) else ())}
        if not operation.needs_key or not named & set(house.ids):
            continue
        asked += 1
        real, unknown = (house.ask(operation, house.stranger, ids) for ids in (house.ids, UNKNOWN))
        is_refused = real.status_code in UNKNOWN_STATUSES
        if not is_refused or shape(real, house.ids) != shape(unknown, UNKNOWN):
            wrong.append(f"{operation.name}: {real.status_code} {real.text[:300]} / {unknown.text[:300]}")
    assert wrong == []
    assert asked >= 8
    assert house.kept(house.own) == before
    assert house.kept(house.stranger) == theirs
