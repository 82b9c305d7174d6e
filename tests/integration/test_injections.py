"""Injections in every text that a request can carry: kept as the text that they are, or refused.

The requests are made from `GET /openapi.json`, so a field that is added is among them.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from support.api_description import Operation, operations, with_text_in_each_place
from support.flows import component, flow
from support.patience import PATIENCE_S
from support.server import running_server

TEXT = (
    "'; DROP TABLE call; -- \" OR 1=1 a\r\nSet-Cookie: owned=1\r\n\r\n<script>alert(1)</script> {{x.__class__}} ${7*7}"
    " {{7*7}} %{7*7} ../../../etc/passwd %s%n \\x00 \u202e \ufeff \U0001f9ff"
)
LISTS = (
    "/list-agents",
    "/list-retell-llms",
    "/list-conversation-flows",
    "/v2/list-conversation-flow-components",
    "/list-phone-numbers",
    "/list-api-keys",
    "/list-voices",
)


@dataclass(frozen=True, slots=True)
class House:
    """A server with one of each thing; `ids` name them."""

    http: httpx2.Client
    description: Mapping[str, Any]
    ids: Mapping[str, str]

    @property
    def operations(self) -> list[Operation]:
        return [one for one in operations(self.description) if one.needs_key]

    def wrong(self, answer: httpx2.Response) -> str | None:
        """What an answer must not be, None when it is well."""
        if answer.status_code >= 500:
            return f"{answer.status_code} {answer.text[:300]}"
        is_json = answer.headers.get("Content-Type", "application/json") == "application/json"
        if not is_json or any("owned" in name.lower() or "set-cookie" in name.lower() for name in answer.headers):
            return f"{dict(answer.headers)}"
        return None


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    many = {"RETOLD_RATE_LIMIT_PER_S": "100000"}
    with (
        running_server(tmp_path_factory.mktemp("injections") / "data", env=many) as server,
        httpx2.Client(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as http,
    ):

        def make(path: str, **body: Any) -> dict[str, Any]:
            answer = http.post(path, json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()

        engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
        ids = {
            "agent_id": make("/create-agent", voice_id="default", response_engine=engine)["agent_id"],
            "llm_id": make("/create-retell-llm")["llm_id"],
            "conversation_flow_id": make("/create-conversation-flow", **flow())["conversation_flow_id"],
            "conversation_flow_component_id": make("/create-conversation-flow-component", **component("pay"))[
                "conversation_flow_component_id"
            ],
            "api_key_id": make("/create-api-key")["api_key_id"],
            "phone_number": make("/import-phone-number", phone_number="+14155550100", termination_uri="a.example.com")[
                "phone_number"
            ],
            "from_number": "+14155550100",
            "to_number": "+14155550101",
            "voice_id": "default",
        }
        ids["call_id"] = make("/v2/create-web-call", agent_id=ids["agent_id"])["call_id"]
        assert http.post(f"/v2/stop-call/{ids['call_id']}").status_code == 204
        yield House(http, http.get("/openapi.json").json(), ids)
        for path in LISTS:
            assert http.get(path).status_code == 200
        assert http.get(f"/v2/get-call/{ids['call_id']}").status_code == 200


def at(value: Any, path: Sequence[str | int]) -> Any:
    """What stands at this place of a JSON value, None when nothing does."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def test_a_text_in_a_body_is_kept_as_it_is_or_refused(house: House) -> None:
    wrong: list[str] = []
    asked = kept = 0
    for operation in house.operations:
        for path, body in with_text_in_each_place(operation, house.description, house.ids, TEXT):
            answer = house.http.request(operation.method, operation.at(house.ids), params=operation.query, json=body)
            asked += 1
            complaint = house.wrong(answer)
            shown = at(answer.json(), path) if answer.is_success and answer.content else None
            kept += shown == TEXT
            if complaint is None and shown not in (None, TEXT) and path[-1] != "api_key":
                complaint = f"shows {shown!r}"
            if complaint is not None:
                wrong.append(f"{operation.name} {path}: {complaint}")
    assert wrong == []
    assert asked >= 900
    assert kept >= 100


def test_a_text_in_a_path_finds_nothing(house: House) -> None:
    wrong: list[str] = []
    for operation in house.operations:
        for parameter in operation.parameters:
            ids = {**house.ids, parameter: quote(TEXT, safe="")}
            body = operation.body_with(house.ids)
            answer = house.http.request(operation.method, operation.at(ids), params=operation.query, json=body)
            complaint = house.wrong(answer) or (f"{answer.status_code}" if answer.is_success else None)
            if complaint is not None:
                wrong.append(f"{operation.name}: {complaint}")
    assert wrong == []


def test_a_text_in_a_query_does_no_harm(house: House) -> None:
    wrong: list[str] = []
    for operation in house.operations:
        if operation.method == "DELETE":
            continue
        for name in operation.query_names:
            query = {**operation.query, name: TEXT}
            body = operation.body_with(house.ids)
            answer = house.http.request(operation.method, operation.at(house.ids), params=query, json=body)
            if complaint := house.wrong(answer):
                wrong.append(f"{operation.name}?{name}: {complaint}")
    assert wrong == []
