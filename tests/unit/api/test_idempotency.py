"""Requests that are sent again with the same key, in this process."""

from typing import Any

import anyio
import httpx2
import pytest

from retold.api import idempotency
from retold.app import App
from retold.clock import SystemClock
from retold.domain.api_key import NewKey
from retold.ids import DEFAULT_ORG_ID, OrgId
from retold.storage.effect import noting
from retold.storage.idempotency import Answer, Attempt, digest

pytestmark = pytest.mark.anyio

ENGINE = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
AGENT: dict[str, Any] = {"voice_id": "default", "response_engine": ENGINE, "agent_name": "Ada"}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def agents(api: httpx2.AsyncClient) -> int:
    return len((await api.get("/list-agents")).json())


async def test_a_repeated_request_takes_effect_once_and_is_answered_alike(api: httpx2.AsyncClient) -> None:
    before = await agents(api)
    body = AGENT | {"unknown_field": 1}
    first = await api.post("/create-agent", json=body, headers=keyed("a"))
    again = await api.post("/create-agent", json=body, headers=keyed("a"))
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["X-Retold-Warning"] == first.headers["X-Retold-Warning"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await agents(api) == before + 1


async def test_another_content_or_query_under_the_same_key_is_refused(api: httpx2.AsyncClient) -> None:
    await api.post("/create-agent", json=AGENT, headers=keyed("a"))
    for path, body in (("/create-agent", AGENT | {"agent_name": "Bob"}), ("/create-agent?x=1", AGENT)):
        refused = await api.post(path, json=body, headers=keyed("a"))
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_counts_for_one_route_and_one_organisation(app: App, api: httpx2.AsyncClient) -> None:
    await app.store.keys.create(OrgId("org_other"), "key_other")
    mine = await api.post("/create-agent", json=AGENT, headers=keyed("a"))
    theirs = await api.post("/create-agent", json=AGENT, headers=keyed("a") | {"Authorization": "Bearer key_other"})
    call = await api.post("/v2/create-web-call", json={"agent_id": "demo"}, headers=keyed("a"))
    assert (mine.status_code, theirs.status_code, call.status_code) == (201, 201, 201)
    assert mine.json()["agent_id"] != theirs.json()["agent_id"]


async def test_many_at_once_take_effect_once(api: httpx2.AsyncClient) -> None:
    before = await agents(api)
    made: list[str] = []

    async def create() -> None:
        answer = await api.post("/create-agent", json=AGENT, headers=keyed("a"))
        made.append(answer.json()["agent_id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(create)
    assert len(made) == 8
    assert len(set(made)) == 1
    assert await agents(api) == before + 1


async def test_what_failed_without_effect_may_succeed_later(api: httpx2.AsyncClient) -> None:
    refused = await api.post("/create-agent", json={"voice_id": "default"}, headers=keyed("a"))
    assert refused.status_code == 400
    assert (await api.post("/create-agent", json=AGENT, headers=keyed("a"))).status_code == 201


async def test_reading_takes_no_notice_of_a_key(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/v2/list-calls", json={}, headers=keyed("a"))).json() == []
    await api.post("/v2/create-web-call", json={"agent_id": "demo"})
    assert len((await api.post("/v2/list-calls", json={}, headers=keyed("a"))).json()) == 1


async def test_an_answer_with_a_secret_is_not_kept_and_the_key_not_made_twice(
    app: App, api: httpx2.AsyncClient
) -> None:
    first = await api.post("/create-api-key", json={}, headers=keyed("a"))
    again = await api.post("/create-api-key", json={}, headers=keyed("a"))
    assert first.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "answer_not_kept")
    assert again.headers["X-Should-Retry"] == "false"
    assert len(await app.store.keys.list_all(DEFAULT_ORG_ID)) == 2


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
async def test_a_malformed_key_is_refused(api: httpx2.AsyncClient, key: str) -> None:
    answer = await api.post("/create-agent", json=AGENT, headers={b"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


async def test_a_stranger_learns_nothing_of_keys(api: httpx2.AsyncClient) -> None:
    await api.post("/create-agent", json=AGENT, headers=keyed("a"))
    stranger = keyed("a") | {"Authorization": "Bearer key_none"}
    assert (await api.post("/create-agent", json=AGENT, headers=stranger)).status_code == 401


async def test_a_request_that_stays_under_way_is_told_so(
    app: App, api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_S", 0.01)
    attempt = Attempt(DEFAULT_ORG_ID, digest(b"/create-agent", b"Idempotency-Key", b"a"), "", 2**53)
    under_way: idempotency.UnderWayRequests = application_state(app).under_way
    is_held, may_go = anyio.Event(), anyio.Event()

    async def hold() -> None:
        async with under_way.alone(attempt):
            is_held.set()
            await may_go.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        await is_held.wait()
        answer = await api.post("/create-agent", json=AGENT, headers=keyed("a"))
        may_go.set()
        assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
        assert answer.headers["Retry-After"] == "1"
    assert (await api.post("/create-agent", json=AGENT, headers=keyed("a"))).status_code == 201


def application_state(app: App) -> Any:
    """The state of the FastAPI application behind its middleware."""
    inner: Any = app.asgi
    while not hasattr(inner, "state"):
        inner = inner._app
    return inner.state


async def test_after_a_crash_between_effect_and_answer_nothing_is_done_twice(app: App, api: httpx2.AsyncClient) -> None:
    store = app.store.idempotency
    attempt = Attempt(DEFAULT_ORG_ID, "k" * 64, "b" * 64, SystemClock().wall_ms() + 1_000)
    note = store.note(attempt)
    with noting(note):
        await app.store.keys.create(DEFAULT_ORG_ID, "key_made_before_the_crash")
        await app.store.keys.create(DEFAULT_ORG_ID, "key_more", NewKey(api_key_name="second change"))
    known = await store.find(attempt)
    assert known is not None
    assert known.answer is None
    await store.keep(attempt, note, Answer(201, [("a", "b")], b"{}"))
    known = await store.find(attempt)
    assert known is not None
    assert known.answer == Answer(201, [("a", "b")], b"{}")


async def test_a_change_that_fails_leaves_no_note(app: App) -> None:
    store = app.store.idempotency
    attempt = Attempt(DEFAULT_ORG_ID, "k" * 64, "b" * 64, SystemClock().wall_ms() + 1_000)
    note = store.note(attempt)
    with noting(note):
        with pytest.raises(Exception, match="exists already"):
            await app.store.keys.create(DEFAULT_ORG_ID, "key_unit_0123456789abcdef")
        assert await store.find(attempt) is None
        await app.store.keys.create(DEFAULT_ORG_ID, "key_another")
    assert await store.find(attempt) is not None


async def test_two_attempts_with_one_key_cannot_both_take_effect(app: App) -> None:
    store = app.store.idempotency
    attempt = Attempt(DEFAULT_ORG_ID, "k" * 64, "b" * 64, SystemClock().wall_ms() + 1_000)
    with noting(store.note(attempt)):
        await app.store.keys.create(DEFAULT_ORG_ID, "key_first")
    with noting(store.note(attempt)), pytest.raises(Exception, match="took effect meanwhile"):
        await app.store.keys.create(DEFAULT_ORG_ID, "key_second")
    assert len(await app.store.keys.list_all(DEFAULT_ORG_ID)) == 2


async def test_old_answers_are_swept_and_their_keys_are_free_again(app: App) -> None:
    store = app.store.idempotency
    now_ms = SystemClock().wall_ms()
    for number in range(3):
        attempt = Attempt(DEFAULT_ORG_ID, f"{number:064}", "b", now_ms - 1 if number else now_ms + 60_000)
        await store.keep(attempt, store.note(attempt), Answer(200, [], b""))
    assert await store.find(Attempt(DEFAULT_ORG_ID, f"{1:064}", "b", 0)) is None
    assert await store.sweep() == 2
    assert await store.sweep() == 0
    assert await store.find(Attempt(DEFAULT_ORG_ID, f"{0:064}", "b", 0)) is not None


async def test_the_field_of_create_phone_call_does_the_same(api: httpx2.AsyncClient) -> None:
    numbers = {"from_number": "+14155550100", "to_number": "+14155550101", "override_agent_id": "demo"}
    trunk = {"phone_number": numbers["from_number"], "termination_uri": "trunk.example.com"}
    assert (await api.post("/import-phone-number", json=trunk)).status_code == 201
    answers = [await api.post("/v2/create-phone-call", json=numbers | {"idempotency_key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    other = await api.post("/v2/create-phone-call", json=numbers | {"idempotency_key": "k", "metadata": {"a": 1}})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    refused = await api.post("/v2/create-phone-call", json=numbers | {"idempotency_key": "a b"})
    assert (refused.status_code, refused.json()["field"]) == (400, "idempotency_key")
