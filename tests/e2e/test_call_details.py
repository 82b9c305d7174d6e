"""What the LLM server is told of a call: its variables in the address, and the call as its maker was shown it."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from support.customer import Customer, customer_of
from support.llm_server import Peer, llm_server
from support.server import running_server

pytestmark = pytest.mark.anyio

TIMEOUT_S = 30
NOWHERE = "ws://127.0.0.1:9/llm-websocket"
"""The discard port: nobody listens."""
OWN = {"metadata": {"customer": "c1"}, "retell_llm_dynamic_variables": {"who": "Zoë"}}
ENDS = {"from_number": "+14155550100", "to_number": "+14155550101", "direction": "outbound"}


@pytest.fixture(scope="module")
async def customer(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Customer]:
    with running_server(tmp_path_factory.mktemp("details") / "data") as server:
        async with customer_of(server) as customer:
            yield customer


@pytest.mark.parametrize(
    ("path", "more"),
    [("/v2/create-web-call", {}), ("/v2/register-phone-call", {}), ("/v2/register-phone-call", ENDS)],
    ids=["web", "phone", "phone with numbers"],
)
async def test_the_llm_server_of_the_override_is_told_the_call_as_it_was_made(
    customer: Customer, path: str, more: dict[str, Any]
) -> None:
    told: list[dict[str, Any]] = []
    is_told = anyio.Event()

    async def listens(peer: Peer) -> None:
        await peer.says("config", config={"call_details": True})
        told.append(await peer.listens(until="call_details"))
        assert peer.socket.request is not None
        told.append({"path": peer.socket.request.path})
        is_told.set()
        await peer.listens()

    agent_id = await customer.make_agent(NOWHERE)
    async with llm_server(listens) as llm:
        engine = {"type": "custom-llm", "llm_websocket_url": f"{llm.url}/{{{{ who }}}}?of={{{{who}}}}"}
        override = {"agent": {"response_engine": engine, "agent_name": "For one call"}}
        made = await customer.post(path, {"agent_id": agent_id, "agent_override": override, **OWN, **more})
        async with customer.joined(made["call_id"]):
            with anyio.fail_after(TIMEOUT_S):
                await is_told.wait()
    details, asked = told
    assert made["agent_name"] == "For one call"
    assert {name: made[name] for name in (*OWN, *more)} == {**OWN, **more}
    assert details == {"interaction_type": "call_details", "call": made}
    assert asked["path"].endswith(f"/Zo%C3%AB/{made['call_id']}?of=Zo%C3%AB")
