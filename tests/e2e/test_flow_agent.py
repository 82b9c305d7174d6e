"""The pizza service of examples/: made over the API, walked through by telephone, every transition in the record."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retold.domain.model_script import Script
from support.audio_client import AudioClient, tone
from support.customer import customer_of
from support.model_server import stand_in
from support.server import ServerProcess, running_server

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
CALLER = ("When are you open?", "I would like to order now.", "Three pizzas please.", "Yes please.")
WELCOME = "Pronto Pizza, good evening. How many pizzas may it be?"
EXPECTED = (
    "From five to eleven, every day. What may it be?",
    "How many pizzas may it be?",
    "3 pizzas, that is 27 euros. Shall I send them?",
)
TRANSITIONS = [
    ("welcome", "normal"),
    ("hours", "global"),
    ("welcome", "global_go_back"),
    ("read", "normal"),
    ("how_many", "normal"),
    ("price", "normal"),
    ("confirm", "normal"),
    ("bye", "normal"),
]
SPEECH_MS = 800


def make_agent(server: ServerProcess) -> str:
    """Run the example; gives the id of the agent it made."""
    made = subprocess.run(
        [sys.executable, "examples/flow_agent.py", "--server", server.url],
        cwd=ROOT,
        env={**os.environ, "RETOLD_API_KEY": server.api_key},
        check=True,
        capture_output=True,
        text=True,
    )
    return made.stdout.split()[-1]


def heard(caller: AudioClient, text: str) -> bool:
    """Whether the agent has been heard saying just this last."""
    said = [event["transcript"][-1] for event in caller.events if event.get("transcript")][-1:]
    return bool(said) and said[0]["role"] == "agent" and said[0]["content"] == text


async def test_pizzas_are_ordered(tmp_path: Path) -> None:
    told = Script.model_validate_json((ROOT / "examples/flow_model.json").read_text())
    async with stand_in(told) as (model, url):
        env = {"RETOLD_LLM__BASE_URL": f"{url}/v1", "RETOLD_SCRIPTED__STT_TEXTS": "|".join(CALLER)}
        with running_server(tmp_path / "data", env=env) as server:
            agent_id = make_agent(server)
            async with customer_of(server) as customer:
                call_id = await customer.make_web_call(agent_id)
                async with customer.joined(call_id, "?enable_update=true") as caller:
                    await caller.until(lambda: heard(caller, WELCOME))
                    for answer in EXPECTED:
                        caller.say(tone(SPEECH_MS, 24_000))
                        await caller.until(lambda answer=answer: heard(caller, answer))
                    caller.say(tone(SPEECH_MS, 24_000))
                    call = await customer.until(call_id)
    items = [item for item in call["transcript_with_tool_calls"] if item["role"] == "node_transition"]
    assert [(item["new_node_id"], item["transition_type"]) for item in items] == TRANSITIONS
    assert [item["former_node_id"] for item in items] == ["begin", *(node_id for node_id, _kind in TRANSITIONS[:-1])]
    assert items[1]["new_node_name"] == "Opening hours"
    assert call["collected_dynamic_variables"] == {"pizzas": "3", "price": "27"}
    assert call["disconnection_reason"] == "agent_hangup"
    assert call["transcript"].endswith("Agent: Thank you, goodbye.\n")
    told_to_client = [event for event in caller.events if event["event_type"] == "node_transition"]
    assert [event["new_node_id"] for event in told_to_client] == [node_id for node_id, _kind in TRANSITIONS]
    assert call["llm_token_usage"]["num_requests"] == len(model.asked)
