"""The API key resource, and what scopes, rates and wrong keys do at the door."""

from typing import Any

import httpx2
import pytest

from retold.app import App, build_app
from retold.clock import SystemClock
from retold.domain.api_key import NewKey
from retold.domain.scopes import Scope
from retold.ids import DEFAULT_ORG_ID, OrgId
from retold.settings import Settings

pytestmark = pytest.mark.anyio

MESSAGE = "API key is missing or invalid."


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def make(api: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.post("/create-api-key", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


async def status(api: httpx2.AsyncClient, secret: str, method: str = "GET", path: str = "/list-agents") -> int:
    return (await api.request(method, path, headers=bearer(secret))).status_code


async def test_a_key_is_shown_once_and_opens_until_it_is_deleted(api: httpx2.AsyncClient) -> None:
    made = await make(api, api_key_name="shop")
    assert made["api_key"].startswith("key_")
    assert await status(api, made["api_key"]) == 200
    listed = {key["api_key_id"]: key for key in (await api.get("/list-api-keys")).json()}
    assert listed[made["api_key_id"]] == {name: value for name, value in made.items() if name != "api_key"}
    assert (await api.delete(f"/delete-api-key/{made['api_key_id']}")).status_code == 204
    refused = await api.get("/list-agents", headers=bearer(made["api_key"]))
    assert (refused.status_code, refused.json()["message"]) == (401, MESSAGE)
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert (await api.delete(f"/delete-api-key/{made['api_key_id']}")).status_code == 422


async def test_a_key_says_whose_it_is(app: App, api: httpx2.AsyncClient) -> None:
    info = (await api.get("/get-api-key-info")).json()
    assert info == {"org_id": DEFAULT_ORG_ID, "org_name": DEFAULT_ORG_ID, "api_key_name": "RETOLD_API_KEY"}
    await app.store.keys.create(OrgId("org_other"), "key_other", NewKey(api_key_name="theirs"))
    theirs = (await api.get("/get-api-key-info", headers=bearer("key_other"))).json()
    assert theirs == {"org_id": "org_other", "org_name": "org_other", "api_key_name": "theirs"}


async def test_changes_and_rolls_show_at_once(api: httpx2.AsyncClient) -> None:
    made = await make(api, api_key_name="shop")
    changed = await api.patch(f"/update-api-key/{made['api_key_id']}", json={"scopes": ["read"], "nickname": "x"})
    assert changed.json()["scopes"] == ["read"]
    assert "nickname" in changed.headers["X-Retold-Warning"]
    assert await status(api, made["api_key"]) == 200
    assert await status(api, made["api_key"], "POST", "/create-agent") == 403
    rolled = (await api.post(f"/roll-api-key/{made['api_key_id']}", json={"grace_s": 0})).json()
    assert (rolled["api_key_name"], rolled["scopes"]) == ("shop", ["read"])
    assert await status(api, made["api_key"]) == 401
    assert await status(api, rolled["api_key"]) == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["reed"]}, "scopes[0]"),
        ({"scopes": []}, "scopes"),
        ({"expires_timestamp": 1}, "expires_timestamp"),
        ({"api_key_name": ""}, "api_key_name"),
    ],
)
async def test_a_wrong_field_is_named(api: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await api.post("/create-api-key", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_a_misspelt_scope_is_guessed(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/create-api-key", json={"scopes": ["reed"]})
    assert "did you mean 'read'?" in answer.json()["fix"]


async def test_ids_of_other_organisations_are_unknown(app: App, api: httpx2.AsyncClient) -> None:
    theirs = await app.store.keys.create(OrgId("org_other"), "key_other")
    for method, path in (("PATCH", "update"), ("POST", "roll"), ("DELETE", "delete")):
        foreign = await api.request(method, f"/{path}-api-key/{theirs.api_key_id}", json={})
        unknown = await api.request(method, f"/{path}-api-key/apikey_{'0' * 16}", json={})
        assert (foreign.status_code, unknown.status_code) == (422, 422)
        assert foreign.text.replace(theirs.api_key_id, "apikey_" + "0" * 16) == unknown.text
    assert await app.store.keys.list_all(OrgId("org_other")) == [theirs]


async def test_a_public_key_creates_web_calls_and_nothing_else(api: httpx2.AsyncClient) -> None:
    made = await make(api, scopes=["web_calls"])
    assert made["api_key"].startswith("public_key_")
    call = await api.post("/v3/create-web-call", json={"agent_id": "demo"}, headers=bearer(made["api_key"]))
    assert call.status_code == 201
    for method, path in (
        ("GET", "/list-agents"),
        ("GET", f"/v2/get-call/{call.json()['call_id']}"),
        ("POST", "/v2/list-calls"),
        ("POST", "/create-agent"),
        ("GET", "/list-api-keys"),
    ):
        refused = await api.request(method, path, headers=bearer(made["api_key"]))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path


async def test_the_key_of_a_first_start_signs_webhooks(app: App) -> None:
    [first] = await app.store.keys.list_all(DEFAULT_ORG_ID)
    assert (first.is_webhook_key, first.scopes) == (True, tuple(Scope))


async def test_wrong_keys_are_throttled_and_right_ones_are_not(app: App, api: httpx2.AsyncClient) -> None:
    made = await make(api)
    statuses = [await status(api, f"key_wrong_{number}") for number in range(50)]
    assert statuses[:10] == [401] * 10
    assert set(statuses[10:]) == {429}
    refused = await api.get("/list-agents", headers=bearer("key_wrong"))
    assert refused.json()["message"] == "Account rate limited, please throttle your requests."
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    assert await status(api, made["api_key"]) == 200
    assert (await api.get("/list-agents")).status_code == 200


async def test_one_key_is_held_to_its_rate_and_others_are_not(settings: Settings) -> None:
    slow = settings.model_copy(update={"rate_limit_per_s": 0.001})
    async with build_app(slow, SystemClock()).running() as running:
        await running.store.keys.create(DEFAULT_ORG_ID, "key_second")
        transport = httpx2.ASGITransport(app=running.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://retold.test") as client:
            asked = [await client.get("/list-agents", headers=bearer("key_second")) for _ in range(3)]
            own = await client.get("/list-agents", headers=bearer("key_unit_0123456789abcdef"))
    assert [answer.status_code for answer in asked] == [200, 429, 429]
    assert 990 <= int(asked[1].headers["Retry-After"]) <= 1000
    assert own.status_code == 200


async def test_only_pages_of_the_allowed_origins_may_ask(settings: Settings) -> None:
    allowed = settings.model_copy(update={"web_origins": ("https://shop.example",)})
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with build_app(allowed, SystemClock()).running() as running:
        transport = httpx2.ASGITransport(app=running.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://retold.test") as page:
            mine, strange = [
                await page.options("/v3/create-web-call", headers=preflight | {"Origin": origin})
                for origin in ("https://shop.example", "https://evil.example")
            ]
            refused = await page.post("/v3/create-web-call", json={}, headers={"Origin": "https://shop.example"})
    assert (mine.status_code, mine.headers["Access-Control-Allow-Origin"]) == (200, "https://shop.example")
    assert "Access-Control-Allow-Origin" not in strange.headers
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://shop.example")


async def test_by_default_no_page_may_ask(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/list-agents", headers={"Origin": "https://shop.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
