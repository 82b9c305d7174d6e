"""What the tests of the official clients share: which clients a test is for, and how each generation says the same."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib import request

import pytest

from support.patience import PATIENCE_S
from support.sdk_client import FORMS, GENERATIONS, Generation, SdkClient, SdkError

LLM_URL = "wss://brain.example.com/llm"
WITHOUT_ENGINES: tuple[Generation, ...] = ("3.9", "4.6", "4.7")
"""Clients that name the agent's LLM websocket directly."""

_NUMBERS = count(5_550_200)

every_form = pytest.mark.parametrize("form", FORMS)
every_generation = pytest.mark.parametrize("generation", GENERATIONS)


def generations(*names: Generation) -> pytest.MarkDecorator:
    """Run the test with these clients."""
    return pytest.mark.parametrize("generation", names)


def brain(sdk: SdkClient, url: str = LLM_URL) -> dict[str, Any]:
    """The fields of an agent that name its LLM websocket."""
    if sdk.generation in WITHOUT_ENGINES:
        return {"llm_websocket_url": url}
    return {"response_engine": {"type": "custom-llm", "llm_websocket_url": url}}


def all_items(sdk: SdkClient, method: str, *args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
    """Every item of a paged list, to the last page."""
    key: dict[str, Any] = {}
    while True:
        page = sdk.ask(method, *args, **kwargs, **key)
        yield from page["items"]
        if not page["has_more"]:
            assert "pagination_key" not in page or page["pagination_key"]
            return
        key = {"pagination_key": page["pagination_key"]}


def own_agent(sdk: SdkClient) -> str:
    """An agent that only this test uses."""
    return sdk.ask("agent.create", voice_id="default", **brain(sdk))["agent_id"]


def fresh_number() -> str:
    """A phone number that no other test of this process uses."""
    return f"+1415{next(_NUMBERS):07}"


def own_number(sdk: SdkClient) -> str:
    """A phone number that only this test uses, on a trunk that nobody answers at."""
    number = fresh_number()
    sdk.ask("phone_number.import_", phone_number=number, termination_uri="trunk.example.com")
    return number


def web_call(sdk: SdkClient, agent_id: str = "demo") -> str:
    """A call that waits for its caller."""
    if sdk.generation == "3.9":
        audio = {"audio_websocket_protocol": "web", "audio_encoding": "s16le", "sample_rate": 24_000}
        return sdk.ask("call.register", agent_id=agent_id, **audio)["call_id"]
    return sdk.ask("call.create_web_call", agent_id=agent_id)["call_id"]


def ended_web_call(sdk: SdkClient, agent_id: str = "demo") -> str:
    """A call that was stopped before anybody joined it."""
    call_id = web_call(sdk, agent_id)
    stop = request.Request(f"{sdk.url}/v2/stop-call/{call_id}", method="POST", headers=sdk.headers)  # noqa: S310 - http
    with request.urlopen(stop, timeout=PATIENCE_S):  # noqa: S310 - our own http address
        return call_id


def unknown(sdk: SdkClient, method: str, *args: Any, **kwargs: Any) -> None:
    """Assert that the client raises its error for an asset that does not exist."""
    with pytest.raises(SdkError) as refused:
        sdk.ask(method, *args, **kwargs)
    assert (refused.value.type, refused.value.status) == ("UnprocessableEntityError", 422)
    assert refused.value.body["status"] == "error"
    assert "Cannot find requested asset under given api key" in refused.value.body["message"]
