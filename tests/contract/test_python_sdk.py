"""The official Python SDK, every response validated strictly, against a real server process."""

import json
import time
from collections.abc import Generator
from typing import Any
from urllib import request

import pytest
import retell
from retell import Retell
from websockets.sync.client import connect

from support.patience import PATIENCE_S
from support.plain_client import wait_until
from support.server import ServerProcess, running_server

ENGINE: Any = {"type": "custom-llm", "llm_websocket_url": "wss://brain.example.com/llm"}


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


def by_hand(server: ServerProcess, method: str, path: str, body: object = None) -> Any:
    asked = request.Request(  # noqa: S310 - our own http address
        server.url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={**server.headers, "Content-Type": "application/json"},
    )
    with request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        return json.loads(answer.read())


def test_an_agent_is_created_retrieved_updated_and_listed(server: ServerProcess, client: Retell) -> None:
    made = client.agent.create(
        response_engine=ENGINE,
        voice_id="retell-Cimo",
        agent_name="Ada",
        ambient_sound="coffee-shop",
        language=["en-US", "en-GB"],
        post_call_analysis_data=[{"type": "enum", "name": "n", "description": "d", "choices": ["a"]}],
        voicemail_option={"action": {"type": "static_text", "text": "call us"}},
        webhook_events=["call_ended"],
    )
    assert client.agent.retrieve(made.agent_id) == made
    assert client.agent.retrieve(made.agent_id, version=0) == made
    changed = client.agent.update(made.agent_id, agent_name=None, voice_speed=1.25)
    assert (changed.agent_name, changed.voice_speed) == (None, 1.25)
    assert made.agent_id in {agent["agent_id"] for agent in by_hand(server, "GET", "/list-agents")}


def test_the_warning_header_is_seen_by_raw_response(client: Retell) -> None:
    answer = client.agent.with_raw_response.create(response_engine=ENGINE, voice_id="11labs-Adrian")
    assert "11labs-Adrian" in answer.headers["X-Retold-Warning"]


def test_a_web_call_is_created_retrieved_listed_and_stopped(server: ServerProcess, client: Retell) -> None:
    made = client.call.create_web_call(
        agent_id="demo", agent_version="latest", metadata={"k": 1}, retell_llm_dynamic_variables={"name": "Ann"}
    )
    assert made.transport == "gateway"
    assert made.expires_at > time.time() * 1000
    call = client.call.retrieve(made.call_id)
    assert (call.call_type, call.call_status) == ("web_call", "registered")
    listed = by_hand(server, "POST", "/v2/list-calls", {"filter_criteria": {"call_id": [made.call_id]}})
    assert [item["call_id"] for item in listed] == [made.call_id]
    client.call.stop(made.call_id)
    assert client.call.retrieve(made.call_id).disconnection_reason == "manual_stopped"


def test_a_call_that_was_spoken_on_validates_in_every_field(server: ServerProcess, client: Retell) -> None:
    made = client.call.create_web_call(agent_id="demo")
    with connect(f"{server.ws_url}/audio-websocket/{made.call_id}", compression=None) as socket:
        socket.send(bytes(960))
        wait_until(lambda: client.call.retrieve(made.call_id).call_status == "ongoing")
        for _ in range(50):
            socket.send(bytes(960))
            time.sleep(0.02)
    call = ended(client, made.call_id)
    assert call.call_status == "ended"
    assert call.disconnection_reason == "user_hangup"
    assert (call.duration_ms or 0) >= 900
    assert call.transcript_object is not None
    assert call.recording_url
    assert call.recording_url.startswith(server.url)
    with request.urlopen(call.recording_url, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        assert answer.read(4) == b"RIFF"
    assert call.public_log_url
    with request.urlopen(call.public_log_url, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        assert answer.read()


def ended(client: Retell, call_id: str) -> Any:
    wait_until(lambda: client.call.retrieve(call_id).call_status not in {"registered", "ongoing"})
    return client.call.retrieve(call_id)


def test_errors_arrive_as_the_sdks_own(server: ServerProcess, client: Retell) -> None:
    with pytest.raises(retell.UnprocessableEntityError):
        client.call.retrieve("call_none")
    with pytest.raises(retell.UnprocessableEntityError):
        client.agent.retrieve("agent_none")
    with pytest.raises(retell.UnprocessableEntityError):
        client.call.stop("call_none")
    with pytest.raises(retell.UnprocessableEntityError):
        client.call.create_web_call(agent_id="agent_none")
    with pytest.raises(retell.BadRequestError) as caught:
        client.agent.create(response_engine=ENGINE, voice_id="default", voice_speed=9)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["status"] == "error"
    assert caught.value.body["field"] == "voice_speed"
    with (
        Retell(api_key="key_wrong", base_url=server.url, max_retries=0) as stranger,
        pytest.raises(retell.AuthenticationError) as refused,
    ):
        stranger.agent.retrieve("demo")
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["message"] == "API key is missing or invalid."


def test_the_2024_forms_are_served_side_by_side(server: ServerProcess) -> None:
    made = by_hand(server, "POST", "/create-agent", {"llm_websocket_url": "wss://x.example.com", "voice_id": "default"})
    call = by_hand(server, "POST", "/v2/create-web-call", {"agent_id": made["agent_id"]})
    assert call["call_status"] == "registered"
    audio = {"audio_websocket_protocol": "web", "audio_encoding": "s16le", "sample_rate": 24000}
    registered = by_hand(server, "POST", "/register-call", {"agent_id": made["agent_id"], **audio})
    shown = by_hand(server, "GET", f"/get-call/{registered['call_id']}")
    assert {name: shown[name] for name in audio} == audio


def test_voices_are_listed_and_retrieved(client: Retell) -> None:
    voices = client.voice.list()
    assert voices[0].voice_id == "default"
    assert client.voice.retrieve("default") == voices[0]
    with request.urlopen(voices[0].preview_audio_url or "", timeout=PATIENCE_S) as answer:  # noqa: S310 - our own address
        assert answer.read(4) == b"RIFF"
    with pytest.raises(retell.BadRequestError):
        client.voice.search(search_query="calm")
    with pytest.raises(retell.BadRequestError):
        client.voice.add_resource(provider_voice_id="x", voice_name="x")


def test_a_phone_number_is_imported_retrieved_updated_listed_and_deleted(client: Retell) -> None:
    number = "+14157774444"
    made = client.phone_number.import_(
        phone_number=number,
        termination_uri="trunk.example.com",
        inbound_agents=[{"agent_id": "demo", "weight": 1}],
        sip_trunk_auth_username="user",
        sip_trunk_auth_password="hidden",
        transport="TLS",
    )
    assert made.phone_number_pretty == "+1 (415) 777-4444"
    assert client.phone_number.retrieve(number) == made
    assert client.phone_number.update(number, nickname="Front desk").nickname == "Front desk"
    assert [one.phone_number for one in client.phone_number.list(limit=1, sort_order="ascending").items] == [number]
    client.phone_number.delete(number)
    with pytest.raises(retell.UnprocessableEntityError):
        client.phone_number.retrieve(number)
    with pytest.raises(retell.BadRequestError):
        client.phone_number.create(area_code=415)
