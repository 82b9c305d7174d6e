"""Tools of MCP servers by every generation of the official client that knows them."""

from collections.abc import Generator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from support import database
from support.mcp_server import KitchenServer, running_kitchen
from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import every_form, generations, own_agent
from support.server import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Generator[ServerProcess]:
    """A server whose agents may reach this machine."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    rows = {"RETOLD_DATABASE_URL": database.postgres_url(data_dir)} if backend == "postgresql" else {}
    with running_server(data_dir, env={"RETOLD_ALLOW_PRIVATE_HOSTS": "127.0.0.1"} | rows) as running:
        yield running


@pytest.fixture(scope="module")
def kitchen() -> Generator[KitchenServer]:
    """An MCP server in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running_kitchen()) as running:
        yield running


def agent_with(sdk: SdkClient, *mcps: dict[str, Any]) -> str:
    llm_id = sdk.ask("llm.create", general_prompt="p", start_speaker="agent", mcps=list(mcps))["llm_id"]
    engine = {"type": "retell-llm", "llm_id": llm_id}
    return sdk.ask("agent.create", voice_id="default", response_engine=engine)["agent_id"]


@every_form
@generations("5.0", "5.64", "6.2", "node")
@pytest.mark.covers("mcp_tool.get_mcp_tools")
def test_an_agents_mcp_server_is_asked_for_its_tools(sdk: SdkClient, kitchen: KitchenServer) -> None:
    agent_id = agent_with(sdk, {"name": "kitchen", "url": kitchen.url})
    tools = sdk.ask("mcp_tool.get_mcp_tools", agent_id, mcp_id="kitchen")
    assert {tool["name"]: tool["description"] for tool in tools} == {
        "find_table": "Says where a table stands.",
        "day": "Says what day it is.",
        "wait": "Never answers.",
    }
    # Each generation names it in its own way.
    schema = next(value for name, value in tools[0].items() if name.lower().replace("_", "") == "inputschema")
    assert schema["properties"]["size"]["type"] == "string"


@generations("6.2")
@pytest.mark.covers("mcp_tool.get_mcp_tools")
def test_what_cannot_be_asked_is_refused(sdk: SdkClient, kitchen: KitchenServer) -> None:
    agent_id = agent_with(
        sdk, {"name": "kitchen", "url": kitchen.url}, {"name": "inside", "url": "http://10.0.0.1/mcp"}
    )
    assert status_of(sdk, agent_id, "cellar") == 422
    assert status_of(sdk, agent_id, "inside") == 400
    assert status_of(sdk, own_agent(sdk), "kitchen") == 400
    assert status_of(sdk, "agent_nobody", "kitchen") == 422


def status_of(sdk: SdkClient, agent_id: str, mcp_id: str) -> int | None:
    with pytest.raises(SdkError) as refused:
        sdk.ask("mcp_tool.get_mcp_tools", agent_id, mcp_id=mcp_id)
    return refused.value.status
