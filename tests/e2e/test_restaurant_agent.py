"""The restaurant of examples/: made over the API, run by a model's server, booked by telephone, told in the record."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from retold.domain.model_script import Script
from support.audio_client import AudioClient, tone
from support.customer import customer_of
from support.model_server import stand_in
from support.server import ServerProcess, running_server

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
CALLER = ("I would like a table for four.", "My name is Ann.", "Thank you, goodbye.")
EXPECTED = (
    "Let me look into the book. There is a table at 19 o'clock. What name may I write down?",
    "One moment. Your table is booked, the number is A-194.",
)
SPEECH_MS = 800


@contextmanager
def restaurant(server: ServerProcess) -> Generator[str]:
    """The example as a program; gives the id of the agent it made."""
    command = [sys.executable, "examples/restaurant_agent.py", "--server", server.url, "--port", "0"]
    environment = {**os.environ, "RETOLD_API_KEY": server.api_key}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as program:
        try:
            assert program.stdout is not None
            yield program.stdout.readline().split()[-1]
        finally:
            program.terminate()


def heard(caller: AudioClient, text: str) -> bool:
    """Whether the agent has been heard saying just this last."""
    said = [event["transcript"][-1] for event in caller.events if event.get("transcript")][-1:]
    return bool(said) and said[0]["role"] == "agent" and said[0]["content"] == text


def woven(call: dict[str, Any]) -> list[str]:
    """The tools of the record, with what became of each."""
    results = {
        item["tool_call_id"]: item for item in call["transcript_with_tool_calls"] if item["role"] == "tool_call_result"
    }
    return [
        f"{item['name']} {results[item['tool_call_id']]['successful']}"
        for item in call["transcript_with_tool_calls"]
        if item["role"] == "tool_call_invocation"
    ]


async def test_a_table_is_booked(tmp_path: Path) -> None:
    told = Script.model_validate_json((ROOT / "examples/restaurant_model.json").read_text())
    async with stand_in(told) as (model, url):
        env = {"RETOLD_LLM__BASE_URL": f"{url}/v1", "RETOLD_SCRIPTED__STT_TEXTS": "|".join(CALLER)}
        with running_server(tmp_path / "data", env=env) as server, restaurant(server) as agent_id:
            async with customer_of(server) as customer:
                call_id = await customer.make_web_call(agent_id)
                async with customer.joined(call_id, "?enable_update=true") as caller:
                    await caller.until(
                        lambda: heard(caller, "Good evening, this is the Blue Olive. How can I help you?")
                    )
                    for answer in EXPECTED:
                        caller.say(tone(SPEECH_MS, 24_000))
                        await caller.until(lambda answer=answer: heard(caller, answer))
                    caller.say(tone(SPEECH_MS, 24_000))
                    call = await customer.until(call_id)
    assert call["disconnection_reason"] == "agent_hangup"
    assert woven(call) == ["transition_to_booking True", "free_tables True", "book_table True", "end_call True"]
    assert call["collected_dynamic_variables"] == {"guests": "4", "booking_number": "A-194"}
    assert call["llm_token_usage"]["num_requests"] == len(model.asked)
    assert call["transcript"].endswith("Agent: Goodbye, until tonight!\n")
    prompt = model.asked[0].body["messages"][0]["content"]
    assert "the Blue Olive" in prompt
    assert "{{" not in prompt
