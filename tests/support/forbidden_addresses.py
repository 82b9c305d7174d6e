"""Addresses that no agent may reach, on every way on which one can be named; what counts is which sockets are opened.

The net here answers for the name server and the network, and notes every dialled address. Whether an address may be
dialled is judged by Python's own registry, not by the guard's.
"""

import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import anyio
import httpx2
from pydantic import ValidationError

from retold.calls.consequences import Audience
from retold.calls.deps import Deps
from retold.calls.inbound import InboundCalls
from retold.domain.call import Call
from retold.domain.inbound_call import InboundCall
from retold.domain.llm import Mcp
from retold.domain.mcp import address_of
from retold.domain.phone_number_request import NumberImport, import_number
from retold.domain.variables import Variables
from retold.domain.webhook_events import NO_WEBHOOK, Moment, OrgWebhook, target_of
from retold.domain.webhook_events import Target as WebhookTarget
from retold.errors import CallFailed, OutboundError
from retold.ids import DEFAULT_ORG_ID, CallId, OrgId
from retold.jobs.webhook_request import WebhookRequest
from retold.jobs.webhooks import WebhookParts, Webhooks
from retold.outbound import Outbound
from retold.responders.custom_llm import CustomLlm
from retold.settings import Settings
from retold.storage.store import Store
from retold.storage.webhook_claims import DueEvent
from support.patience import PATIENCE_S
from support.stored import make_agent, make_record
from support.tool_calls import StillClock, tool_context, tool_of, tool_services, use_tool

CORPUS = Path(__file__).parents[1] / "data" / "forbidden-addresses.txt"
PUBLIC = "93.184.215.14"
ALLOWED = ("127.0.0.1", "crm.lan:8443", "[::1]:9000")
"""What the way is opened for, to see that it opens."""
REACHABLE = ("{s}://127.0.0.1:8080/x", "{s}://crm.lan:8443/x", "{s}://[::1]:9000/x", "{s}://brain.example.com/x")
NAMES: Mapping[str, Sequence[str]] = {
    "brain.example.com": [PUBLIC],
    "redirect.example.com": [PUBLIC],
    "crm.lan": ["192.168.1.20"],
    "localhost": ["::1", "127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.example.com": [PUBLIC, "127.0.0.1"],
    "mapped.example.com": ["::ffff:7f00:1"],
    "scoped.example.com": ["fe80::1%eth0"],
    "nonsense.example.com": ["not-a-number"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
}
REBINDING = "rebind.example.com"
_SAFE_PORTS = {80, 443, 8080}
_SETTINGS = Settings(llm_retry_gap_ms=0)


class Net:
    """A name server and a network; every connection is answered by a redirect to where its request asks for."""

    def __init__(self) -> None:
        self.dialled: list[tuple[str, int]] = []
        self._times_asked = 0
        self._peers: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers:
            peer.close()

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        if host == REBINDING:
            self._times_asked += 1
            return [PUBLIC if self._times_asked % 2 else "127.0.0.1"]
        if ":" in host:
            return [host]
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            if host not in NAMES:
                raise
            return NAMES[host]

    async def dial(self, address: str, port: int) -> socket.socket:
        self.dialled.append((address, port))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._peers.append(theirs)
        theirs.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:8080/\r\nContent-Length: 0\r\n\r\n")
        return ours

    def outbound(self, *allowed: str) -> Outbound:
        return Outbound(allowed, lambda: "ws://127.0.0.1:8080/demo", resolve=self.resolve, dial=self.dial)

    @property
    def forbidden(self) -> list[tuple[str, int]]:
        """What was dialled and must not be."""
        return [
            (address, port)
            for address, port in self.dialled
            if not ipaddress.ip_address(address).is_global or port not in _SAFE_PORTS
        ]


def corpus() -> list[str]:
    """The forms, with `{s}` for the scheme."""
    return [json.loads(line) for line in CORPUS.read_text().splitlines() if line.startswith('"')]


async def _llm_websocket(outbound: Outbound, form: str) -> None:
    for scheme in ("ws", "http"):
        await _as_llm(outbound, form.replace("{s}", scheme), {})


async def _llm_websocket_by_variable(outbound: Outbound, form: str) -> None:
    await _as_llm(outbound, "{{address}}", {"address": form.replace("{s}", "ws")})
    await _as_llm(outbound, "ws://{{host}}", {"host": form.partition("://")[2]})


async def _as_llm(outbound: Outbound, url: str, variables: dict[str, Any]) -> None:
    call = Call(call_id="c", agent_id="a", retell_llm_dynamic_variables=variables)
    responder = CustomLlm(url, call, outbound, _SETTINGS, StillClock())
    with suppress(CallFailed):
        async for _ in responder.acts():
            pass


async def _custom_tool(outbound: Outbound, form: str) -> None:
    for method in ("GET", "POST"):
        await _as_tool(outbound, form.replace("{s}", "http"), {}, method)


async def _custom_tool_by_variable(outbound: Outbound, form: str) -> None:
    await _as_tool(outbound, "{{address}}", {"address": form.replace("{s}", "http")})
    await _as_tool(outbound, "http://{{host}}", {"host": form.partition("://")[2]})
    await _as_tool(outbound, "http://{{host}}.example.com/", {"host": form.partition("://")[2]})
    await _as_tool(outbound, "http://brain.example.com/{{path}}", {"path": form.replace("{s}", "http")})


async def _as_tool(outbound: Outbound, url: str, variables: dict[str, Any], method: str = "POST") -> None:
    try:
        tool = tool_of(type="custom", name="t", url=url, method=method, max_retry=0)
    except ValidationError:
        return  # refused when it is saved
    context = tool_context(tool_services(outbound), variables=variables)
    for _ in range(2 if REBINDING in f"{url} {variables}" else 1):
        await use_tool(tool, context)


async def _mcp_server(outbound: Outbound, form: str) -> None:
    await _as_mcp(outbound, form.replace("{s}", "http"), {})


async def _mcp_server_by_variable(outbound: Outbound, form: str) -> None:
    await _as_mcp(outbound, "{{address}}", {"address": form.replace("{s}", "http")})
    await _as_mcp(outbound, "http://{{host}}", {"host": form.partition("://")[2]})


async def _as_mcp(outbound: Outbound, url: str, variables: dict[str, Any]) -> None:
    try:
        named = Mcp(name="m", url=url)
    except ValidationError:
        return  # refused when it is saved
    with suppress(OutboundError), anyio.fail_after(PATIENCE_S):
        async with outbound.connect_mcp(address_of(named, Variables(of_request=variables))) as server:
            await server.tools()


async def _library_client(outbound: Outbound, form: str) -> None:
    async with httpx2.AsyncClient(transport=outbound.http_transport(), follow_redirects=True) as client:
        for scheme in ("http", "ws"):
            with suppress(OutboundError, httpx2.HTTPError, httpx2.InvalidURL):
                await client.post(form.replace("{s}", scheme), json={})


async def _agent_webhook(outbound: Outbound, form: str) -> None:
    await _as_webhook(outbound, _of_agent(form.replace("{s}", "http")), {})


async def _agent_webhook_by_variable(outbound: Outbound, form: str) -> None:
    await _as_webhook(outbound, _of_agent("{{address}}"), {"address": form.replace("{s}", "http")})
    await _as_webhook(outbound, _of_agent("http://{{host}}"), {"host": form.partition("://")[2]})


def _of_agent(url: str) -> WebhookTarget | None:
    return target_of(make_agent(webhook_url=url), NO_WEBHOOK)


async def _organisation_webhook(outbound: Outbound, form: str) -> None:
    await _as_webhook(outbound, target_of(None, OrgWebhook(form.replace("{s}", "http"))), {})


async def _as_webhook(outbound: Outbound, target: WebhookTarget | None, variables: dict[str, Any]) -> None:
    """Let a call end, and send what follows from that."""
    record = make_record(retell_llm_dynamic_variables=variables)
    followed = Audience(target).follows(Moment.ENDED, record, 0).events
    sender = Webhooks(
        WebhookParts(
            store=cast("Store", SimpleNamespace(webhooks=None)),
            clock=StillClock(),
            http=outbound,
            whole=lambda _: None,
            base_url=lambda: "",
            kept_days=1,
            dead_kept_days=1,
        )
    )
    for event in followed * (2 if REBINDING in f"{target} {variables}" else 1):
        due = DueEvent(1, event.event_id, "org", "call", event.event, event.endpoint, event.url, 10_000, 0, 0)
        with suppress(OutboundError):
            await sender._send(due, WebhookRequest({}, b"{}"))  # pyright: ignore[reportPrivateUsage] - without a store


async def _inbound_webhook(outbound: Outbound, form: str) -> None:
    keys = SimpleNamespace(webhook_secret=_no_secret)
    deps = cast("Deps", SimpleNamespace(store=SimpleNamespace(keys=keys), clock=StillClock()))
    call = InboundCall(CallId("call_1"), "+14157774444", "+14157775555")
    body = {"phone_number": "+14157775555", "termination_uri": "t", "inbound_webhook_url": form.replace("{s}", "http")}
    number = import_number(NumberImport.model_validate(body), 0)
    # Asked as often as it fails, so that a name server may change its answer.
    await InboundCalls(deps, outbound, pause_s=0).decide(DEFAULT_ORG_ID, number, call)


async def _no_secret(_org: OrgId) -> str | None:
    return None


WAYS: Mapping[str, Callable[[Outbound, str], Awaitable[None]]] = {
    "llm_websocket_url": _llm_websocket,
    "llm_websocket_url by variable": _llm_websocket_by_variable,
    "url of a tool": _custom_tool,
    "url of a tool by variable": _custom_tool_by_variable,
    "url of an MCP server": _mcp_server,
    "url of an MCP server by variable": _mcp_server_by_variable,
    "webhook_url of an agent": _agent_webhook,
    "webhook_url of an agent by variable": _agent_webhook_by_variable,
    "webhook_url of an organisation": _organisation_webhook,
    "inbound_webhook_url": _inbound_webhook,
    "a client that follows redirects": _library_client,
}
"""On which an address goes out; each tries it in all forms that the field allows."""
DIRECT_WAYS = tuple(way for way in WAYS if "variable" not in way)
"""Without those that fill an address in: they escape brackets."""
