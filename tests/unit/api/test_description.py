"""The API's description of itself is whole and true."""

from typing import Any

import httpx2
import pytest

from retold.api.application import ROUTERS
from retold.api.body import JsonRoute

pytestmark = pytest.mark.anyio


async def described(api: httpx2.AsyncClient) -> dict[str, Any]:
    return (await api.get("/openapi.json")).json()


async def test_every_error_that_can_be_answered_is_declared_in_our_shape(api: httpx2.AsyncClient) -> None:
    made = await described(api)
    create = made["paths"]["/create-agent"]["post"]["responses"]
    assert set(create) >= {"201", "400", "401", "403", "409", "413", "422", "429", "503"}
    assert create["422"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
    assert "404" in made["paths"]["/get-agent/{agent_id}"]["get"]["responses"]
    assert "401" not in made["paths"]["/health/live"]["get"]["responses"]
    assert made["components"]["schemas"]["Error"]["required"] == ["status", "message", "code"]
    assert "HTTPValidationError" not in str(made)


async def test_it_is_the_same_each_time(api: httpx2.AsyncClient) -> None:
    assert await described(api) == await described(api)


def test_every_post_can_be_repeated() -> None:
    plain = [
        getattr(route, "path", "")
        for router in ROUTERS
        for route in router.routes
        if "POST" in getattr(route, "methods", ()) and not isinstance(route, JsonRoute)
    ]
    assert plain == []
