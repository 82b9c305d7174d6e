"""Who gets in, and the one shape of every error."""

import json
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest
from anyio.abc import TaskGroup
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.types import Message

from retold.api import auth
from retold.api.application import ROUTERS, make_application
from retold.api.context import ApiContext
from retold.app import App
from retold.calls.deps import Deps
from retold.clock import SystemClock
from retold.demo import app as demo_brain
from retold.ids import DEFAULT_ORG_ID
from retold.outbound import Outbound
from retold.storage.agents import AgentStore

pytestmark = pytest.mark.anyio

OPEN_ROUTES = {"/health/live", "/health/ready", "/voice-previews/{name}"}
UNGUESSABLE_ROUTES = {"/audio-websocket/{call_id}", "/files/{token}/{name}"}
KEY_IN_SUBPROTOCOL = {"/v2/monitor-call/{call_id}"}
LIVE_CALL_ROUTES = {"/demo-brain/llm-websocket/{call_id}"}
"""Mounted beside the API; the id of a call in progress is the credential."""


def declared(dependant: Dependant) -> set[object]:
    found: set[object] = {dependant.call}
    for inner in dependant.dependencies:
        found |= declared(inner)
    return found & {auth.require_key, auth.require_key_of_socket, auth.unguessable_address, auth.open_to_all}


def test_every_route_declares_who_may_use_it() -> None:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute | APIWebSocketRoute)
            calls = declared(route.dependant) | {
                dependency.dependency for dependency in router.dependencies if dependency.dependency
            }
            wanted: object = auth.require_key
            if route.path in KEY_IN_SUBPROTOCOL:
                wanted = auth.require_key_of_socket
            if route.path in OPEN_ROUTES:
                wanted = auth.open_to_all
            elif route.path in UNGUESSABLE_ROUTES:
                wanted = auth.unguessable_address
            assert calls == {wanted}, route.path


async def test_what_is_mounted_beside_the_api_is_only_for_calls_in_progress(app: App, api: httpx2.AsyncClient) -> None:
    assert {getattr(route, "path", None) for route in demo_brain.routes(lambda _: True)} == LIVE_CALL_ROUTES
    registered = (await api.post("/v2/create-web-call", json={"agent_id": "demo"})).json()["call_id"]
    for call_id in ("call_none", registered):
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        path = f"/demo-brain/llm-websocket/{call_id}"
        await app.asgi({"type": "websocket", "path": path, "headers": [], "query_string": b""}, receive, send)
        assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_description_names_every_route_and_its_key(api: httpx2.AsyncClient) -> None:
    described = (await api.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    for path in ("/create-agent", "/v2/create-web-call", "/v3/create-web-call", "/register-call", "/v2/list-calls"):
        assert described["paths"][path]["post"]["security"], path


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no header"),
        pytest.param({"Authorization": "Bearer key_wrong"}, id="unknown key"),
        pytest.param({"Authorization": "Bearer "}, id="empty key"),
        pytest.param({"Authorization": "Basic abc"}, id="other scheme"),
        pytest.param({"Authorization": "Bearer " + "k" * 10_000}, id="endless key"),
    ],
)
async def test_without_a_valid_key_the_answer_is_retells_401(app: App, headers: dict[str, str]) -> None:
    transport = httpx2.ASGITransport(app=app.asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://retold.test", headers=headers) as stranger:
        for answer in (await stranger.get("/list-agents"), await stranger.post("/create-agent", json={})):
            assert answer.status_code == 401
            assert answer.json()["status"] == "error"
            assert answer.json()["message"] == "API key is missing or invalid."
            assert answer.json()["code"] == "unauthorized"


async def test_a_revoked_key_is_worthless_at_once(app: App, api: httpx2.AsyncClient) -> None:
    made = await app.store.keys.create(DEFAULT_ORG_ID, "key_x")
    headers = {"Authorization": "Bearer key_x"}
    assert (await api.get("/list-agents", headers=headers)).status_code == 200
    await app.store.keys.revoke(DEFAULT_ORG_ID, made.api_key_id)
    assert (await api.get("/list-agents", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("GET", "/create-agent/", 404, "route_not_found"),
        ("DELETE", "/create-agent", 405, "method_not_allowed"),
        ("GET", "/v2/get-call/call_none", 422, "not_found"),
        ("POST", "/v2/stop-call/call_none", 422, "not_found"),
        ("GET", f"/v2/get-call/{'x' * 300}", 422, "not_found"),
    ],
)
async def test_every_error_has_the_same_shape(
    api: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert answer.json()["status"] == "error"
    assert answer.json()["message"]
    assert answer.json()["code"] == code


async def test_hostile_bodies_are_refused_and_nothing_is_stored(api: httpx2.AsyncClient) -> None:
    engine = '{"type":"custom-llm","llm_websocket_url":"wss://a.example.com"}'
    bodies = {
        "too large": (json.dumps({"agent_name": "x" * 1_100_000}), 413),
        "too deep": ('{"metadata":' + "[" * 40 + "]" * 40 + "}", 400),
        "not a number": ('{"volume": NaN}', 400),
        "twice": (f'{{"voice_id":"a","voice_id":"b","response_engine":{engine}}}', 400),
        "huge": (f'{{"voice_id":"a","reminder_trigger_ms":1e999,"response_engine":{engine}}}', 400),
    }
    for what, (body, status) in bodies.items():
        answer = await api.post("/create-agent", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, what
        assert answer.json()["status"] == "error"
    assert len((await api.get("/list-agents")).json()) == 1


async def test_a_form_from_curl_is_read_as_json(api: httpx2.AsyncClient) -> None:
    body = '{"voice_id":"default","llm_websocket_url":"wss://a.example.com"}'
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await api.post("/create-agent", content=body, headers=headers)).status_code == 201


async def test_an_unexpected_error_tells_the_client_nothing(app: App, api: httpx2.AsyncClient) -> None:
    app.store.agents = cast(AgentStore, None)
    answer = await api.get("/list-agents")
    assert answer.status_code >= 500
    assert answer.json()["status"] == "error"
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()


async def test_health_says_nothing_of_this_machine(app: App) -> None:
    context = ApiContext(
        cast("Deps", SimpleNamespace(store=app.store, live=app.live, settings=app.settings, clock=SystemClock())),
        cast("TaskGroup", None),
        lambda: "unavailable: pip install /srv/x",
        Outbound([], lambda: None),
    )
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=make_application(context)), base_url="http://retold.test"
    ) as stranger:
        ready = await stranger.get("/health/ready")
    assert ready.json()["speech"] == "unavailable: see `retold doctor`"


async def test_health_tells_what_it_depends_on(app: App, api: httpx2.AsyncClient) -> None:
    assert (await api.get("/health/live")).json() == {"status": "ok"}
    ready = await api.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["storage"] == "ok"
    app.live.is_draining = True
    draining = await api.get("/health/ready")
    assert (draining.status_code, draining.json()["draining"]) == (503, True)
