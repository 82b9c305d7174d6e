"""A call that is going on, steered by the official SDK and watched over its websocket."""

import json
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import retell
from retell import Retell
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from support.joined_call import joined_call
from support.patience import PATIENCE_S
from support.plain_client import wait_until
from support.server import ServerProcess, running_server

AGENT_NUMBERS: Any = {"from_number": "+14157774444", "to_number": "+12137774445"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Generator[Retell]:
    with Retell(
        api_key=server.api_key, base_url=server.url, max_retries=0, timeout=PATIENCE_S, _strict_response_validation=True
    ) as strict:
        yield strict


def watch(server: ServerProcess, call_id: str, key: str, **options: Any) -> ClientConnection:
    protocols = [Subprotocol("bearer"), Subprotocol(key)]
    return connect(f"{server.ws_url}/v2/monitor-call/{call_id}", subprotocols=protocols, max_size=None, **options)


def heard(watcher: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """All frames up to the close, and its code and reason."""
    frames: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        frames.extend(json.loads(message) for message in watcher)
    return frames, watcher.close_code or 0, watcher.close_reason or ""


@contextmanager
def ongoing(server: ServerProcess, client: Retell) -> Generator[str]:
    """A call on which the demo agent has begun to speak."""
    made = client.call.create_web_call(agent_id="demo", metadata={"k": 1})
    with joined_call(server.url, made.call_id):
        yield made.call_id


def test_a_live_call_is_updated_watched_and_ended(server: ServerProcess, client: Retell) -> None:
    with ongoing(server, client) as call_id:
        assert client.concurrency.retrieve().current_concurrency == 1
        with watch(server, call_id, server.api_key) as watcher:
            assert watcher.subprotocol == "bearer"
            answer = client.call.update_live(
                call_id,
                fields_to_override={"metadata": {"k": 2}, "override_dynamic_variables": {"name": "Ann"}},
                call_control={"additional_context": "The caller is a member.", "trigger_response": True},
            )
            assert answer.success is True
            assert client.call.retrieve(call_id).metadata == {"k": 2}
            client.call.stop(call_id)
            frames, code, reason = heard(watcher)
    assert (code, reason) == (1000, "call_ended")
    assert frames[0]["type"] == "transcript_snapshot"
    assert (frames[-1]["type"], frames[-1]["disconnection_reason"]) == ("call_ended", "manual_stopped")
    shown = [item for frame in frames for item in frame.get("transcripts", [])]
    assert any(item["role"] == "injected" and item["content"] == "The caller is a member." for item in shown)
    assert all("id" in item and "time_sec" in item for item in shown)
    call = ended(client, call_id)
    assert call.disconnection_reason == "manual_stopped"
    assert call.metadata == {"k": 2}
    assert "injected" in [item.role for item in call.transcript_with_tool_calls or []]
    with watch(server, call_id, server.api_key) as late:
        frames, code, reason = heard(late)
    assert [frame["type"] for frame in frames] == ["call_ended"]
    assert (code, reason) == (1000, "call_ended")
    with pytest.raises(retell.BadRequestError):
        client.call.update_live(call_id, call_control={"trigger_response": True})


def ended(client: Retell, call_id: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while (call := client.call.retrieve(call_id)).call_status in {"registered", "ongoing"}:
        assert time.monotonic() < deadline, "the call did not end"
        time.sleep(0.02)
    return call


def test_who_may_not_watch_is_told_by_the_close_code(server: ServerProcess, client: Retell) -> None:
    registered = client.call.create_web_call(agent_id="demo").call_id
    for call_id, key, code in (
        (registered, server.api_key, 4004),
        ("call_none", server.api_key, 4422),
        ("c" * 500, server.api_key, 4422),
        (registered, "key_wrong_0123456789", 4401),
    ):
        with watch(server, call_id, key) as watcher:
            assert heard(watcher)[:2] == ([], code)
    with connect(f"{server.ws_url}/v2/monitor-call/{registered}") as bare:
        assert heard(bare)[:2] == ([], 4401)


def test_a_watcher_that_stops_reading_is_sent_away_and_the_call_goes_on(server: ServerProcess, client: Retell) -> None:
    texts = [f"{number} {'x' * 49_000}" for number in range(18)]
    with ongoing(server, client) as call_id, stalled_watcher(server, call_id) as watcher:
        for text in texts:
            client.call.update_live(call_id, call_control={"additional_context": text})
        wait_until(lambda: "watcher_too_slow" in server.output())
        # Whether it is told so, or has missed a ping by then, is a matter of when it reads again.
        assert heard(watcher)[1] in {1011, 1013}
        assert client.call.retrieve(call_id).call_status == "ongoing"
        with watch(server, call_id, server.api_key) as other:
            shown = json.loads(other.recv(timeout=PATIENCE_S))["transcripts"]
        assert [item["content"] for item in shown if item["role"] == "injected"] == texts
        client.call.stop(call_id)


@contextmanager
def stalled_watcher(server: ServerProcess, call_id: str) -> Generator[ClientConnection]:
    """A watcher that takes in little more than the first frame until it is read."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect((host, int(port)))
        with watch(server, call_id, server.api_key, sock=small, max_queue=1, ping_interval=None) as watcher:
            yield watcher


def test_listening_and_taking_over_are_refused_by_name(client: Retell) -> None:
    call_id = client.call.create_web_call(agent_id="demo").call_id
    for ask in (
        lambda: client.call.listen_live(call_id),
        lambda: client.call.take_over_live(call_id, participant_id="p"),
    ):
        with pytest.raises(retell.BadRequestError, match="WebRTC"):
            ask()


def test_every_other_call_method_of_the_sdk(client: Retell) -> None:
    client.phone_number.import_(phone_number=AGENT_NUMBERS["from_number"], termination_uri="trunk.example.com")
    placed = client.call.create_phone_call(
        **AGENT_NUMBERS, override_agent_id="demo", override_agent_version="latest", custom_sip_headers={"X-A": "b"}
    )
    assert (placed.call_type, placed.direction, placed.call_status) == ("phone_call", "outbound", "registered")
    call = ended(client, placed.call_id)
    assert (call.call_type, call.call_status) == ("phone_call", "not_connected")
    assert call.disconnection_reason == "telephony_provider_unavailable"
    registered = client.call.register_phone_call(agent_id="demo", direction="inbound", **AGENT_NUMBERS)
    assert (registered.call_type, registered.from_number) == ("phone_call", AGENT_NUMBERS["from_number"])
    changed = client.call.update(
        placed.call_id,
        metadata={"a": "b"},
        custom_attributes={"vip": True},
        data_storage_setting="everything_except_pii",
    )
    assert (changed.metadata, changed.data_storage_setting) == ({"a": "b"}, "everything_except_pii")
    assert client.call.rerun_analysis(placed.call_id) == changed
    client.call.delete(placed.call_id)
    with pytest.raises(retell.UnprocessableEntityError):
        client.call.retrieve(placed.call_id)
    override: Any = {
        "agent": {"voice_speed": 1.2},
        "retell_llm": {"model_config": {"type": "cascading", "primary": {"model": "gpt-5"}}},
    }
    assert client.call.create_web_call(agent_id="demo", agent_override=override).call_id
