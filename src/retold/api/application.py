"""The ASGI application: routers, error shape, limits, OpenAPI."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from retold import __version__
from retold.api import (
    agent_versions,
    agents,
    api_keys,
    audio_websocket,
    calls,
    concurrency,
    description,
    errors,
    files,
    health,
    llms,
    phone_calls,
    v1,
    web_calls,
)
from retold.api.context import ApiContext
from retold.api.idempotency import UnderWayRequests
from retold.api.limits import BodyLimits
from retold.api.rate_limits import RateLimits
from retold.api.request_ids import RequestIds

ROUTERS: tuple[APIRouter, ...] = (
    agents.router,
    agent_versions.router,
    llms.router,
    api_keys.router,
    web_calls.router,
    phone_calls.router,
    calls.router,
    concurrency.router,
    v1.router,
    audio_websocket.router,
    files.router,
    health.router,
)


def make_application(context: ApiContext, extra_routes: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The whole API for one server, and further routes that guard themselves (the demo brain)."""
    application = FastAPI(
        title="Retold",
        version=__version__,
        summary="Self-hosted voice-agent calls; speaks the public Retell API.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_url=None,
    )
    application.state.context = context
    application.state.under_way = UnderWayRequests()
    application.state.rate_limits = RateLimits(context.deps.settings, context.deps.clock)
    for router in ROUTERS:
        application.include_router(router)
    application.include_router(description.router_of(application))
    application.router.routes.extend(extra_routes)
    errors.install(application)
    return RequestIds(errors.LastResort(BodyLimits(application)))
