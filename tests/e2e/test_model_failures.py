"""Every way in which a model's server fails, in whole calls over HTTP: what the caller hears, and how the call ends.

All calls of one wire format are held at once. The agent speaks first and reminds a silent caller, so nobody has to say
anything. The deadlines are far longer than any answer takes: a machine that stands still must not look like a failure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from retold.domain.apologies import ENGLISH
from support.customer import Customer, customer_of
from support.model_server import script, stand_in
from support.patience import PATIENCE_S
from support.server import running_server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(4 * PATIENCE_S)]

SILENCE_MS: Final = 8_000
"""How long the model may say nothing: less than an agent waits for a reply before it listens again."""
FAILURES: Final[dict[str, dict[str, Any]]] = {
    "429": {"fail": 429},
    "500": {"fail": 500},
    "529": {"fail": 529},
    "bad_json": {"broken": "bad_json"},
    "cut": {"broken": "cut"},
}
HANGS: Final = {"hang": True}
SPEAKS: Final = [{"say": "Good day. "}, {"use": "bye"}]
BEGUN: Final = "Well, let me see"


@dataclass(frozen=True)
class Case:
    """An agent whose model, which has its name, does this the first times it is asked, and then greets and hangs up."""

    name: str
    steps: list[dict[str, Any]]
    heard: tuple[str, ...]
    times: int | None = 1
    """None for always."""
    noted: str = ""
    """What the public log says."""
    reason: str = "agent_hangup"

    def rules(self) -> Iterator[dict[str, Any]]:
        """What its model does."""
        when = {"model": self.name}
        yield {"when": when, "steps": self.steps, **({} if self.times is None else {"times": self.times})}
        yield {"when": when, "steps": SPEAKS}


def cases() -> Iterator[Case]:
    """All of them."""
    for name, failure in FAILURES.items():
        # A failure that may pass is tried again before anybody notices.
        yield Case(f"{name}-once", [failure], ("Good day.",))
        gives_up = (ENGLISH.trouble, ENGLISH.trouble, ENGLISH.goodbye)
        noted = "the model failed, 3 in a row"
        yield Case(f"{name}-always", [failure], gives_up, times=None, noted=noted, reason="error_retell")
    noted = "the model failed, 1 in a row"
    sorry = (ENGLISH.trouble, "Good day.")
    yield Case("hang-once", [HANGS], sorry, noted=f"said nothing for {SILENCE_MS} ms")
    yield Case("refused", [{"fail": 400}], sorry, noted=noted)
    # What was said cannot be taken back.
    sorry = (f"{BEGUN} {ENGLISH.trouble}", "Good day.")
    for name in ("500", "bad_json", "cut"):
        yield Case(f"{name}-midway", [{"say": f"{BEGUN} "}, FAILURES[name]], sorry, noted=noted)
    yield Case("hang-midway", [{"say": f"{BEGUN} "}, HANGS], sorry, noted=f"said nothing for {SILENCE_MS} ms")


async def hold(customer: Customer, case: Case) -> tuple[dict[str, Any], str]:
    """Hold one call to its end; gives its record and its log."""
    bye = {"type": "end_call", "name": "bye"}
    llm = await customer.post("/create-retell-llm", {"model": case.name, "general_tools": [bye]})
    body = {
        "voice_id": "default",
        "response_engine": {"type": "retell-llm", "llm_id": llm["llm_id"]},
        "reminder_trigger_ms": 1_000,
        "reminder_max_count": 5,
    }
    agent = await customer.post("/create-agent", body)
    call_id = await customer.make_web_call(str(agent["agent_id"]))
    async with customer.joined(call_id):
        call = await customer.until(call_id, timeout_s=3 * PATIENCE_S)
    return call, "\n".join(await customer.log(call))


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_a_call_outlives_what_its_model_does_and_ends_honestly(tmp_path: Path, wire: str) -> None:
    held = dict[str, tuple[dict[str, Any], str]]()

    async def note(customer: Customer, case: Case) -> None:
        held[case.name] = await hold(customer, case)

    told = script(*(rule for case in cases() for rule in case.rules()))
    async with stand_in(told) as (_, url):
        env = {
            "RETOLD_LLM__BASE_URL": f"{url}/v1",
            "RETOLD_LLM__WIRE": wire,
            "RETOLD_LLM__FIRST_BYTE_MS": str(SILENCE_MS),
            "RETOLD_LLM__BETWEEN_MS": str(SILENCE_MS),
            "RETOLD_NO_AUDIO_TIMEOUT_MS": "600000",
        }
        with running_server(tmp_path / "data", env=env) as server:
            async with customer_of(server) as customer, anyio.create_task_group() as calls:
                for case in cases():
                    calls.start_soon(note, customer, case)
    for case in cases():
        call, log = held[case.name]
        said = "".join(f"Agent: {text}\n" for text in case.heard)
        assert (case.name, call["transcript"]) == (case.name, said)
        assert (case.name, call["disconnection_reason"]) == (case.name, case.reason)
        assert case.noted in log, case.name
