"""Every operation of the API's own description, asked by those who may not: refused, alike, and nothing is written.

The matrix is made from `GET /openapi.json`, so a route that is added is in it.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from retold.domain.scopes import Scope, scope_for
from support.api_description import Operation, operations
from support.flows import component, component_node, end, flow
from support.patience import PATIENCE_S
from support.server import retold, running_server

UNKNOWN = {
    "erasure_id": "erasure_" + "0" * 24,
    "agent_id": "agent_" + "0" * 26,
    "call_id": "call_" + "0" * 27,
    "api_key_id": "apikey_" + "0" * 16,
    "llm_id": "llm_" + "0" * 24,
    "conversation_flow_id": "conversation_flow_" + "0" * 24,
    "conversation_flow_component_id": "conversation_flow_component_" + "0" * 24,
    "phone_number": "+14155550199",
    "voice_id": "voice_none",
    "event_id": "evt_" + "0" * 32,
    "endpoint_id": "0" * 64,
}
SAYS_NOTHING = {"date", "x-request-id", "content-length"}
"""Headers that differ from answer to answer."""
UNKNOWN_STATUSES = {404, 422}
EXPIRES_MS = 5_000
"""Long enough to be in the future when the server reads it, also when either of us stands still meanwhile."""
COMES_LATER = ("call_analysis", "call_cost")
"""What a call that has ended is given some time afterwards."""
EMPTY_PAGE = {"items": [], "has_more": False}


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
        lists = (
            "/list-api-keys",
            "/list-agents",
            "/list-retell-llms",
            "/list-conversation-flows",
            "/v2/list-conversation-flow-components",
            "/list-phone-numbers",
        )
        keys, *others = (self.http.get(path, headers=bearer(secret)).json() for path in lists)
        calls = self.http.post("/v2/list-calls", json={}, headers=bearer(secret)).json()
        for key in keys:
            key.pop("last_used_timestamp", None)
        for call in calls:
            for name in COMES_LATER:
                call.pop(name, None)
        return [keys, *others, calls]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    folder = tmp_path_factory.mktemp("authorisation") / "data"
    # The matrix asks with more wrong keys than an honest client would, and its call, which nobody joins, must not end.
    env = {"RETOLD_FAILED_KEYS_PER_MINUTE": "1000000", "RETOLD_JOIN_TIMEOUT_MS": "3600000"}
    with (
        running_server(folder, env=env) as server,
        httpx2.Client(base_url=server.url, timeout=PATIENCE_S) as http,
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
        part = make("/create-conversation-flow-component", **component("pay"))["conversation_flow_component_id"]
        nodes = [component_node("pay", part, "shared", "end"), end()]
        flow_id = make("/create-conversation-flow", **flow(*nodes))["conversation_flow_id"]
        engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
        agent_id = make("/create-agent", voice_id="default", response_engine=engine)["agent_id"]
        call_id = make("/v2/create-web-call", agent_id=agent_id)["call_id"]
        trunk = {"phone_number": "+14155550100", "termination_uri": "trunk.example.com"}
        number = make("/import-phone-number", **trunk)["phone_number"]
        announced = announced_call(http, own, make, number)
        without = {scope: make("/create-api-key", scopes=all_but(scope))["api_key"] for scope in Scope}
        stranger = retold("keys", "create", "--org", "org_stranger", data_dir=folder).stdout.split()[0]
        while http.get("/list-agents", headers=bearer(expired)).status_code != 401:
            time.sleep(0.05)
        described = list(operations(http.get("/openapi.json").json()))
        erased = http.post("/erase-person", json={"phone_number": "+14155550177"}, headers=own)
        ids = {
            "erasure_id": erased.json()["erasure_id"],
            "agent_id": agent_id,
            "call_id": call_id,
            "api_key_id": key_id,
            "llm_id": llm_id,
            "conversation_flow_id": flow_id,
            "conversation_flow_component_id": part,
            "phone_number": number,
            **announced,
        }
        yield House(http, server.api_key, stranger, expired, revoked["api_key"], without, ids, described)


def announced_call(
    http: httpx2.Client, own: Mapping[str, str], make: Callable[..., dict[str, Any]], number: str
) -> dict[str, str]:
    """Make a call that ends at once, as nobody can be called here, and is told of to a webhook that never answers."""
    engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
    agent = make("/create-agent", voice_id="default", response_engine=engine, webhook_url="http://127.0.0.1:9/")
    called = {"from_number": number, "to_number": "+14155550101", "override_agent_id": agent["agent_id"]}
    call_id = make("/v2/create-phone-call", **called)["call_id"]
    while not (events := http.get("/list-webhook-events", headers=own).json()["items"]):
        time.sleep(0.05)
    assert {event["call_id"] for event in events} == {call_id}
    [endpoint] = http.get("/list-webhook-endpoints", headers=own).json()
    return {"event_id": events[-1]["event_id"], "endpoint_id": endpoint["endpoint_id"]}


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
        # To bring a number along is no question about another's: both may have it.
        if not operation.needs_key or not named & set(house.ids) or operation.path == "/import-phone-number":
            continue
        asked += 1
        real, unknown = (house.ask(operation, house.stranger, ids) for ids in (house.ids, UNKNOWN))
        is_refused = real.status_code in UNKNOWN_STATUSES
        if not is_refused or shape(real, house.ids) != shape(unknown, UNKNOWN):
            wrong.append(f"{operation.name}: {real.status_code} {real.text[:300]} / {unknown.text[:300]}")
    assert wrong == []
    assert asked >= 25
    assert house.kept(house.own) == before
    assert house.kept(house.stranger) == theirs


def llm_engine(llm_id: str) -> dict[str, Any]:
    return {"type": "retell-llm", "llm_id": llm_id}


Reference = Callable[[Mapping[str, str], Mapping[str, str]], tuple[str, str, Any]]
"""A request that names one of these ids where it need not name any; the second ids are the stranger's own."""
REFERENCES: dict[str, Reference] = {
    "the call of webhook events": lambda ids, _own: ("GET", f"/list-webhook-events?call_id={ids['call_id']}", None),
    "the agent of an outbound call": lambda ids, own: (
        "POST",
        "/v2/create-phone-call",
        {"from_number": own["phone_number"], "to_number": "+14155550101", "override_agent_id": ids["agent_id"]},
    ),
    "the number of an outbound call": lambda ids, own: (
        "POST",
        "/v2/create-phone-call",
        {"from_number": ids["phone_number"], "to_number": "+14155550101", "override_agent_id": own["agent_id"]},
    ),
    "the same in v1": lambda ids, own: (
        "POST",
        "/create-phone-call",
        {"from_number": ids["phone_number"], "to_number": "+14155550101", "override_agent_id": own["agent_id"]},
    ),
    "the engine of a call": lambda ids, own: (
        "POST",
        "/v3/create-web-call",
        {
            "agent_id": own["agent_id"],
            "agent_override": {"agent": {"response_engine": llm_engine(ids["llm_id"])}},
        },
    ),
    "the engine of a new agent": lambda ids, _own: (
        "POST",
        "/create-agent",
        {"voice_id": "default", "response_engine": llm_engine(ids["llm_id"])},
    ),
    "the engine of 2024": lambda ids, _own: (
        "POST",
        "/create-agent",
        {"voice_id": "default", "llm_websocket_url": f"retold://retell-llm/{ids['llm_id']}"},
    ),
    "the engine of an agent": lambda ids, own: (
        "PATCH",
        f"/update-agent/{own['agent_id']}",
        {"response_engine": llm_engine(ids["llm_id"])},
    ),
    "the flow of an agent": lambda ids, own: (
        "PATCH",
        f"/update-agent/{own['agent_id']}",
        {"response_engine": {"type": "conversation-flow", "conversation_flow_id": ids["conversation_flow_id"]}},
    ),
    "a component of a flow": lambda ids, _own: (
        "POST",
        "/create-conversation-flow",
        flow(component_node("part", ids["conversation_flow_component_id"], "shared", "end"), end()),
    ),
    "a component of a component": lambda ids, _own: (
        "POST",
        "/create-conversation-flow-component",
        component("mine", component_node("part", ids["conversation_flow_component_id"], "shared", None)),
    ),
    "the agents of a number": lambda ids, own: (
        "PATCH",
        f"/update-phone-number/{own['phone_number']}",
        {"inbound_agents": [{"agent_id": ids["agent_id"], "weight": 1}]},
    ),
    "the agent of a number in 2024": lambda ids, own: (
        "PATCH",
        f"/update-phone-number/{own['phone_number']}",
        {"outbound_agent_id": ids["agent_id"]},
    ),
    "a place in the calls of v3": lambda ids, _own: ("POST", "/v3/list-calls", {"pagination_key": ids["call_id"]}),
    "a place in the calls of v2": lambda ids, _own: ("POST", "/v2/list-calls", {"pagination_key": ids["call_id"]}),
    "a place in the calls of v1": lambda ids, _own: ("GET", f"/list-calls?pagination_key={ids['call_id']}", None),
    "calls by id": lambda ids, _own: ("POST", "/v2/list-calls", {"filter_criteria": {"call_id": [ids["call_id"]]}}),
    "calls by agent": lambda ids, _own: (
        "POST",
        "/v3/list-calls",
        {"filter_criteria": {"agent": [{"agent_id": ids["agent_id"]}]}, "include_total": True},
    ),
    "a place in the agents": lambda ids, _own: ("GET", f"/list-agents?pagination_key={ids['agent_id']}", None),
    "a place in the pages of agents": lambda ids, _own: (
        "POST",
        f"/v2/list-agents?pagination_key={ids['agent_id']}",
        {},
    ),
    "a place in the LLMs": lambda ids, _own: ("GET", f"/list-retell-llms?pagination_key={ids['llm_id']}", None),
    "a place in the flows": lambda ids, _own: (
        "GET",
        f"/list-conversation-flows?pagination_key={ids['conversation_flow_id']}",
        None,
    ),
    "a place in the pages of numbers": lambda ids, _own: (
        "GET",
        f"/v2/list-phone-numbers?pagination_key={quote(ids['phone_number'])}",
        None,
    ),
}


@pytest.fixture(scope="module")
def strangers(house: House) -> dict[str, str]:
    """What the other organisation has."""

    def make(path: str, **body: Any) -> dict[str, Any]:
        answer = house.http.post(path, json=body, headers=bearer(house.stranger))
        assert answer.status_code == 201, answer.text
        return answer.json()

    engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
    number = make("/import-phone-number", phone_number="+14155550177", termination_uri="trunk.example.com")
    return {
        "agent_id": make("/create-agent", voice_id="default", response_engine=engine)["agent_id"],
        "phone_number": number["phone_number"],
    }


@pytest.mark.parametrize("name", REFERENCES)
def test_another_organisation_is_not_told_apart_where_an_id_may_be_named(
    house: House, strangers: dict[str, str], name: str
) -> None:
    before, theirs = house.kept(house.own), house.kept(house.stranger)
    answers: list[tuple[int, str, dict[str, str]]] = []
    for ids in (house.ids, UNKNOWN):
        method, path, body = REFERENCES[name](ids, strangers)
        answer = house.http.request(method, path, json=body, headers=bearer(house.stranger))
        assert answer.is_client_error or answer.json() in ([], EMPTY_PAGE, {**EMPTY_PAGE, "total": 0}), answer.text
        answers.append(shape(answer, ids))
    assert answers[0] == answers[1]
    assert house.kept(house.own) == before
    assert house.kept(house.stranger) == theirs
