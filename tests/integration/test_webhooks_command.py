"""`retold webhooks` as an operator uses it, on a running server whose receivers fail."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest

from support.patience import PATIENCE_S
from support.server import ServerProcess, running_server
from support.webhook_receiver import WebhookReceiver, webhook_receiver

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

NUMBER = "+14155550100"


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A server, who receives its webhooks, and the command line beside it."""

    server: ServerProcess
    receiver: WebhookReceiver
    http: httpx2.AsyncClient

    async def retold(self, *arguments: str, **env: str) -> Done:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
        known = {"RETOLD_SERVER": self.server.url, "RETOLD_API_KEY": self.server.api_key}
        with anyio.fail_after(PATIENCE_S):
            command = [sys.executable, "-m", "retold", "webhooks", *arguments]
            done = await anyio.run_process(command, env={**clean, **known, **env}, check=False)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    async def call(self, path: str) -> str:
        """End a call whose end is told to this path of the receiver; gives the call's id."""
        engine = {"type": "custom-llm", "llm_websocket_url": "wss://brain.example.com"}
        hook = {"webhook_url": self.receiver.url(path), "webhook_events": ["call_ended"]}
        agent = await self.post("/create-agent", voice_id="default", response_engine=engine, **hook)
        called = {"from_number": NUMBER, "to_number": "+14155550101", "override_agent_id": agent["agent_id"]}
        return str((await self.post("/v2/create-phone-call", **called))["call_id"])

    async def post(self, path: str, **body: Any) -> Any:
        return (await self.http.post(path, json=body)).raise_for_status().json()

    async def until_event(self, call_id: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the event of a call is so."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                found = (await self.http.get("/list-webhook-events", params={"call_id": call_id})).json()["items"]
                if found and is_so(found[0]):
                    return found[0]
                await anyio.sleep(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("webhooks") / "data") as process:
        yield process


@pytest.fixture
async def desk(server: ServerProcess) -> AsyncGenerator[Desk]:
    async with (
        webhook_receiver() as receiver,
        httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as http,
    ):
        one = Desk(server, receiver, http)
        await http.post("/import-phone-number", json={"phone_number": NUMBER, "termination_uri": "trunk.example.com"})
        yield one


async def test_a_failing_webhook_is_told_in_words_and_mended(desk: Desk) -> None:
    call_id = await desk.call("/status/500")
    event = await desk.until_event(call_id, lambda event: event["attempt_count"] > 0)
    listed = await desk.retold("list", "--call", call_id)
    assert f"call_ended  {call_id}  answered 500 " in listed.out
    assert "; next try " in listed.out
    told = await desk.retold("endpoints")
    assert f"Your webhook {desk.receiver.url('/status/500')} answered 500 " in told.out
    assert "1 event waits." in told.out
    shown = await desk.retold("show", event["event_id"])
    assert "attempt 1 " in shown.out
    assert f'"call_id": "{call_id}"' in shown.out
    again = await desk.retold("resend", event["event_id"], "--to", desk.receiver.url("/ok/mended"))
    assert (again.code, again.out.split(" ")[0]) == (0, event["event_id"])
    await desk.until_event(call_id, lambda event: event["state"] == "delivered")
    assert [one.event_id for one in desk.receiver.of_path("/ok/mended")] == [event["event_id"]]
    listed = await desk.retold("list", "--state", "delivered", "--call", call_id, "--since", "1h", "--json")
    assert [one["event_id"] for one in json.loads(listed.out)["items"]] == [event["event_id"]]


async def test_a_webhook_that_is_gone_is_enabled_and_what_it_missed_sent(desk: Desk) -> None:
    call_id = await desk.call("/1/gone")
    event = await desk.until_event(call_id, lambda event: event["state"] == "dropped")
    told = await desk.retold("endpoints")
    [remedy] = [line for line in told.out.splitlines() if line.startswith("  fix: retold webhooks enable ")]
    refused = await desk.retold("resend", event["event_id"])
    assert (refused.code, refused.out) == (1, "")
    assert "410" in refused.err
    assert (await desk.retold("enable", remedy.split(" ")[-1])).code == 0
    replayed = await desk.retold("replay", "--state", "dropped", "--call", call_id)
    assert replayed.out == "1 event is sent again\n"
    await desk.until_event(call_id, lambda event: event["state"] == "delivered")


async def test_where_there_is_nothing_that_is_said(desk: Desk) -> None:
    assert (await desk.retold("dead")).out == "no event was given up\n"
    assert "no such events" in (await desk.retold("list", "--call", "call_none")).out
    assert (await desk.retold("replay")).out == "0 events are sent again\n"
    assert (await desk.retold("secret")).out.startswith("whsec_")


@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        pytest.param(("list",), {"RETOLD_API_KEY": ""}, 2, "--api-key KEY", id="no key"),
        pytest.param(("list",), {"RETOLD_API_KEY": "key_wrong"}, 1, "API key is missing or invalid", id="wrong key"),
        pytest.param(("list",), {"RETOLD_SERVER": "http://127.0.0.1:1"}, 1, "cannot be reached", id="no server"),
        pytest.param(("list", "--server", "here"), {}, 2, "is not an address", id="no address"),
        pytest.param(("list", "--since", "yesterday"), {}, 2, "is no time", id="no time"),
        pytest.param(("list", "--state", "lost"), {}, 1, "state", id="no state"),
        pytest.param(("show", "evt_none"), {}, 1, "no webhook event evt_none", id="no event"),
        pytest.param(("enable", "none"), {}, 1, "in trouble", id="no endpoint"),
        pytest.param(("replay", "--state", "delivered"), {}, 2, "--since", id="everything"),
    ],
)
async def test_what_cannot_be_done_is_said_with_a_remedy(
    desk: Desk, arguments: tuple[str, ...], env: dict[str, str], code: int, said: str
) -> None:
    done = await desk.retold(*arguments, **env)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err
