"""`agent_override` and the other settings of one call: what cannot be is refused, what has no effect is said."""

from typing import Any

import httpx2
import pytest

from support.flows import flow

pytestmark = pytest.mark.anyio

CUSTOM = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
PATHS = ("/v2/create-web-call", "/v3/create-web-call", "/v2/register-phone-call")


async def make_llm_agent(api: httpx2.AsyncClient) -> str:
    states = [{"name": "greeting"}, {"name": "booking"}]
    llm = (await api.post("/create-retell-llm", json={"states": states, "starting_state": "greeting"})).json()
    engine = {"type": "retell-llm", "llm_id": llm["llm_id"]}
    made = await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})
    return made.json()["agent_id"]


def warnings(answer: httpx2.Response) -> str:
    assert answer.status_code == 201, answer.text
    return " / ".join(answer.headers.get_list("X-Retold-Warning"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("agent", "status", "field"),
    [
        pytest.param({"voice_speed": 3}, 400, "voice_speed", id="out of range"),
        pytest.param({"response_engine": {"type": "tape"}}, 400, "response_engine", id="no such engine"),
        pytest.param(
            {"response_engine": {**CUSTOM, "llm_websocket_url": "ftp://a.example.com"}},
            400,
            "response_engine.llm_websocket_url",
            id="address that cannot be called",
        ),
        pytest.param(
            {"response_engine": {"type": "retell-llm", "llm_id": "llm_none"}},
            422,
            "response_engine.llm_id",
            id="unknown LLM",
        ),
        pytest.param(
            {"response_engine": {"type": "conversation-flow", "conversation_flow_id": "f"}},
            422,
            "response_engine.conversation_flow_id",
            id="flow",
        ),
        pytest.param(
            {"response_engine": CUSTOM, "llm_websocket_url": "wss://b.example.com"},
            400,
            "llm_websocket_url",
            id="two engines",
        ),
    ],
)
async def test_an_override_that_cannot_be_is_refused_by_its_place(
    api: httpx2.AsyncClient, path: str, agent: dict[str, Any], status: int, field: str
) -> None:
    answer = await api.post(path, json={"agent_id": "demo", "agent_override": {"agent": agent}})
    assert (answer.status_code, answer.json()["field"]) == (status, f"agent_override.agent.{field}")
    assert (await api.post("/v2/list-calls", json={})).json() == []


@pytest.mark.parametrize("path", PATHS)
async def test_an_override_that_this_server_heeds_brings_no_warning(api: httpx2.AsyncClient, path: str) -> None:
    agent = {
        "response_engine": CUSTOM,
        "voice_id": "default",
        "voice_speed": 1.2,
        "volume": 0.5,
        "interruption_sensitivity": 0.3,
        "responsiveness": 0.5,
        "reminder_trigger_ms": 5_000,
        "reminder_max_count": 2,
        "max_call_duration_ms": 60_000,
        "data_storage_setting": "basic_attributes_only",
    }
    answer = await api.post(path, json={"agent_id": "demo", "agent_override": {"agent": agent}})
    assert warnings(answer) == ""


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"agent_override": {"agent": {"voice_id": "11labs-Adrian"}}}, "agent_override.agent.voice_id '11labs-Adrian'"),
        ({"agent_override": {"agent": {"is_transfer_agent": True}}}, "is_transfer_agent was ignored"),
        ({"agent_override": {"retell_llm": {"model": "x"}}}, "agent_override.retell_llm is kept and has no effect"),
        ({"agent_override": {"conversation_flow": {"start_speaker": "user"}}}, "conversation_flow is kept and has no"),
        ({"current_state": "booking"}, "current_state is kept and has no effect: the agent's engine is custom-llm"),
        ({"current_node_id": "n1"}, "current_node_id is kept and has no effect"),
        ({"agent_override": {"agent": {"voice_sped": 1}}}, "agent_override.agent.voice_sped"),
    ],
)
async def test_what_has_no_effect_on_a_call_is_said(api: httpx2.AsyncClient, wanted: dict[str, Any], told: str) -> None:
    assert told in warnings(await api.post("/v2/create-web-call", json={"agent_id": "demo", **wanted}))


async def test_an_engine_without_a_model_is_said_at_every_call(api: httpx2.AsyncClient) -> None:
    asked: dict[str, Any] = {
        "agent_id": await make_llm_agent(api),
        "agent_override": {"retell_llm": {"model": "gpt-5"}},
    }
    assert "no language model is configured" in warnings(await api.post("/v2/create-web-call", json=asked))
    # The engine of the override is the one that counts.
    asked["agent_override"] = {"agent": {"response_engine": CUSTOM}}
    assert warnings(await api.post("/v2/create-web-call", json=asked)) == ""


async def test_a_call_begins_in_a_state_that_the_retell_llm_has(api: httpx2.AsyncClient) -> None:
    agent_id = await make_llm_agent(api)
    taken = await api.post("/v2/create-web-call", json={"agent_id": agent_id, "current_state": "booking"})
    assert "current_state" not in warnings(taken)
    refused = await api.post("/v2/create-web-call", json={"agent_id": agent_id, "current_state": "bocking"})
    assert (refused.status_code, refused.json()["field"]) == (400, "current_state")
    assert refused.json()["fix"] == "its states are greeting, booking; did you mean 'booking'?"


async def test_a_call_begins_in_a_node_that_the_flow_has(api: httpx2.AsyncClient) -> None:
    made = (await api.post("/create-conversation-flow", json=flow())).json()
    engine = {"type": "conversation-flow", "conversation_flow_id": made["conversation_flow_id"]}
    agent = (await api.post("/create-agent", json={"voice_id": "default", "response_engine": engine})).json()
    asked = {"agent_id": agent["agent_id"], "current_node_id": "end"}
    assert (await api.post("/v2/create-web-call", json=asked)).status_code == 201
    refused = await api.post("/v2/create-web-call", json={**asked, "current_node_id": "welcom"})
    assert (refused.status_code, refused.json()["field"]) == (400, "current_node_id")
    assert refused.json()["fix"] == "its nodes are welcome, end; did you mean 'welcome'?"


async def test_a_call_cannot_begin_in_a_state_of_a_retell_llm_without_states(api: httpx2.AsyncClient) -> None:
    llm = (await api.post("/create-retell-llm", json={})).json()
    override = {"agent": {"response_engine": {"type": "retell-llm", "llm_id": llm["llm_id"]}}}
    asked = {"agent_id": "demo", "agent_override": override, "current_state": "booking"}
    refused = await api.post("/v2/create-web-call", json=asked)
    assert (refused.status_code, refused.json()["fix"]) == (400, "it has no states")
