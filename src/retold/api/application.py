"""The ASGI application: routers, error shape, limits, OpenAPI."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from retold import __version__
from retold.api import (
    agent_versions,
    agents,
    api_keys,
    audio_websocket,
    audit,
    call_statistics,
    calls,
    concurrency,
    conversation_flows,
    description,
    errors,
    files,
    flow_components,
    health,
    list_calls,
    live_calls,
    llms,
    mcp_tools,
    monitor,
    phone_calls,
    phone_numbers,
    privacy,
    v1,
    voices,
    web_calls,
    webhooks,
)
from retold.api.context import WARNING_HEADER, ApiContext
from retold.api.idempotency import HEADER as IDEMPOTENCY_KEY
from retold.api.idempotency import UnderWayRequests
from retold.api.limits import BodyLimits
from retold.api.rate_limits import RateLimits
from retold.api.request_ids import HEADER as REQUEST_ID
from retold.api.request_ids import RequestIds
from retold.api.short_way import BodyRoute, ShortWay
from retold.domain.call_request import WebCallRequest

_PAGES_SEND = (
    "Authorization",
    "Content-Type",
    "G-Recaptcha-Response",
    "X-Retell-Client-JS-SDK-Version",
    IDEMPOTENCY_KEY,
    REQUEST_ID,
)
"""What the browser SDK sends, and what is ours."""

ROUTERS: tuple[APIRouter, ...] = (
    agents.router,
    agent_versions.router,
    llms.router,
    conversation_flows.router,
    flow_components.router,
    mcp_tools.router,
    voices.router,
    phone_numbers.router,
    api_keys.router,
    audit.router,
    web_calls.router,
    phone_calls.router,
    calls.router,
    live_calls.router,
    monitor.router,
    concurrency.router,
    webhooks.router,
    list_calls.router,
    call_statistics.router,
    v1.router,
    audio_websocket.router,
    privacy.router,
    files.router,
    health.router,
)


def make_application(context: ApiContext, extra_routes: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The whole API for one server, and further routes that guard themselves (the demo brain)."""
    application = make_routes(context, extra_routes)
    shortened = ShortWay(
        application,
        {"/v2/get-call": calls.retrieve},
        {
            "/v2/create-web-call": BodyRoute(WebCallRequest, web_calls.create_v2),
            "/v3/create-web-call": BodyRoute(WebCallRequest, web_calls.create_v3),
        },
    )
    return guarded(shortened, context.deps.settings.web_origins)


def make_routes(context: ApiContext, extra_routes: Sequence[BaseRoute] = ()) -> FastAPI:
    """Every route, without what stands in front of them."""
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
    return application


def guarded(routes: ASGIApp, web_origins: Sequence[str]) -> ASGIApp:
    """Routes with what holds for all requests: ids, limits, the shape of errors, which web pages may ask."""
    return RequestIds(_open_to_pages(errors.LastResort(BodyLimits(routes)), web_origins))


def _open_to_pages(asked: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let web pages of these origins ask (CORS); a browser tells all others nothing."""
    if not origins:
        return asked
    return CORSMiddleware(
        asked,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
        allow_headers=_PAGES_SEND,
        expose_headers=["Retry-After", REQUEST_ID, WARNING_HEADER],
    )
