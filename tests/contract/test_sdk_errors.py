"""What the official clients make of refusals, of busy moments and of answers that are lost."""

import json
from collections.abc import Callable, Generator
from typing import Any
from urllib import request

import pytest

from support.lossy_front import lossy_front
from support.patience import PATIENCE_S
from support.sdk_client import Generation, SdkClient, SdkError, SdkProcess
from support.sdk_plans import brain, every_form, every_generation, generations, own_agent, own_number
from support.server import ServerProcess, running_server


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """A server that lets a key ask once a second."""
    env = {"RETOLD_RATE_LIMIT_PER_S": "1"}
    with running_server(tmp_path_factory.mktemp("slow") / "data", env=env) as running:
        yield running


def refusal(sdk: SdkClient, method: str, *args: Any, **kwargs: Any) -> SdkError:
    with pytest.raises(SdkError) as refused:
        sdk.ask(method, *args, **kwargs)
    assert refused.value.body["status"] == "error"
    return refused.value


@every_form
@every_generation
def test_each_refusal_is_the_error_the_client_has_for_it(sdk: SdkClient) -> None:
    asked = {"voice_id": "default", **brain(sdk)}
    invalid = refusal(sdk, "agent.create", **{**asked, "responsiveness": 9})
    assert (invalid.type, invalid.status, invalid.body["field"]) == ("BadRequestError", 400, "responsiveness")
    unknown = refusal(sdk, "agent.update", "agent_none", agent_name="x")
    assert (unknown.type, unknown.status) == ("UnprocessableEntityError", 422)
    with sdk.changed(api_key="key_wrong_0123456789abcdef"):
        stranger = refusal(sdk, "agent.retrieve", "demo")
    assert (stranger.type, stranger.status) == ("AuthenticationError", 401)
    assert stranger.body["message"] == "API key is missing or invalid."


@every_form
@generations("5.64", "6.2", "node")
def test_a_version_that_is_not_there_is_not_found(sdk: SdkClient) -> None:
    missing = refusal(sdk, "agent.publish", "demo", version=99)
    assert (missing.type, missing.status) == ("NotFoundError", 404)


@every_generation
def test_a_busy_server_is_asked_again_when_it_said(
    sdk_process: Callable[[Generation], SdkProcess], slow_server: ServerProcess, generation: Generation
) -> None:
    client = SdkClient(sdk_process(generation), slow_server.url, slow_server.api_key, "raw")
    with pytest.raises(SdkError) as refused:
        ask_until_refused(client)
    assert (refused.value.type, refused.value.status) == ("RateLimitError", 429)
    assert 0 < int(refused.value.headers["retry-after"]) <= 60
    for _ in range(3):
        answer = client.answer("agent.retrieve", "demo", options={"max_retries": 5})
        assert answer.status == 200


def ask_until_refused(client: SdkClient) -> None:
    for _ in range(100):
        client.answer("agent.retrieve", "demo")


@every_generation
def test_a_lost_answer_is_asked_for_again(sdk: SdkClient) -> None:
    agent_id = own_agent(sdk)
    with lossy_front(sdk.url) as front, sdk.changed(base_url=front.url, max_retries=2):
        front.losses = 2
        assert sdk.ask("agent.retrieve", agent_id)["agent_id"] == agent_id
    assert front.lost == 2


@generations("3.9", "6.2", "node")
@pytest.mark.parametrize("status", [502, 503])
def test_a_proxys_refusal_is_an_error_after_the_last_retry_only(sdk: SdkClient, status: int) -> None:
    with lossy_front(sdk.url) as front, sdk.changed(base_url=front.url):
        front.refusals = [status]
        with pytest.raises(SdkError) as refused:
            sdk.ask("agent.retrieve", "demo")
        assert (refused.value.type, refused.value.status) == ("InternalServerError", status)
        front.refusals = [status]
        answer = sdk.answer("agent.retrieve", "demo", options={"max_retries": 1})
    assert answer.value["agent_id"] == "demo"
    assert front.refusals == []


@generations("3.9", "6.2", "node")
def test_a_connection_that_is_reset_is_made_again(sdk: SdkClient) -> None:
    with lossy_front(sdk.url) as front, sdk.changed(base_url=front.url):
        front.resets = 1
        with pytest.raises(SdkError) as lost:
            sdk.ask("agent.retrieve", "demo")
        assert lost.value.type == "APIConnectionError"
        front.resets = 1
        assert sdk.answer("agent.retrieve", "demo", options={"max_retries": 1}).value["agent_id"] == "demo"
    assert front.resets == 0


@generations("6.2")
def test_an_outbound_call_whose_answer_was_lost_is_made_once(sdk: SdkClient) -> None:
    from_number = own_number(sdk)
    asked = {"from_number": from_number, "to_number": "+14155550101", "override_agent_id": own_agent(sdk)}
    key = f"lost-{from_number}"
    with lossy_front(sdk.url) as front, sdk.changed(base_url=front.url):
        front.losses = 1
        with pytest.raises(SdkError) as lost:
            sdk.ask("call.create_phone_call", idempotency_key=key, **asked)
        assert lost.value.type == "APIConnectionError"
        sdk.ask("call.create_phone_call", idempotency_key=key, **asked)
    listed = request.Request(  # noqa: S310 - our own http address
        f"{sdk.url}/v2/list-calls",
        data=json.dumps({"filter_criteria": {"from_number": [from_number]}}).encode(),
        headers={**sdk.headers, "Content-Type": "application/json"},
    )
    with request.urlopen(listed, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        assert len(json.loads(answer.read())) == 1
