"""An agent with a Retell LLM on a server without any language model: the call says so, and says why it ends."""

from pathlib import Path

import pytest

from retold.domain.apologies import ENGLISH, apologies_in
from support.customer import customer_of
from support.server import running_server

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("language", "apology"),
    [("en-US", ENGLISH.without_model), ("de-DE", apologies_in("de-DE", {"de"}).without_model)],
)
async def test_without_a_model_a_call_says_so_and_ends(tmp_path: Path, language: str, apology: str) -> None:
    with running_server(tmp_path / "data") as server:
        async with customer_of(server) as customer:
            llm = await customer.post("/create-retell-llm", {"begin_message": "Never said."})
            engine = {"type": "retell-llm", "llm_id": llm["llm_id"]}
            body = {"voice_id": "default", "response_engine": engine, "language": language}
            agent = await customer.post("/create-agent", body)
            call_id = await customer.make_web_call(str(agent["agent_id"]))
            async with customer.joined(call_id):
                call = await customer.until(call_id)
            log = "\n".join(await customer.log(call))
        assert "model_not_configured" in server.output()
    assert (call["disconnection_reason"], call["call_status"]) == ("error_retell", "error")
    assert call["transcript"] == f"Agent: {apology}\n"
    assert "RETOLD_LLM__BASE_URL" in log
