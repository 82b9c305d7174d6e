"""A finished call with every optional field filled, read back by every generation and compared field by field."""

import json
from collections.abc import Generator
from typing import Any
from urllib import request

import anyio
import pytest

from support.full_call import full_call, put_calls
from support.patience import PATIENCE_S
from support.sdk_client import SdkClient
from support.sdk_plans import every_form, generations
from support.server import ServerProcess, running_server

CALLS = {
    "web_2024": full_call("call_web_2024", "web_call", "2024"),
    "phone_2024": full_call("call_phone_2024", "phone_call", "2024"),
    "web_newest": full_call("call_web_newest", "web_call", "newest"),
    "phone_newest": full_call("call_phone_newest", "phone_call", "newest"),
}
CLASSES = {"web_call": "WebCallResponse", "phone_call": "PhoneCallResponse"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """A server that finds the calls in its data folder."""
    data_dir = tmp_path_factory.mktemp("full") / "data"
    with running_server(data_dir):
        pass  # it makes the organisation and its key
    anyio.run(put_calls, data_dir, *CALLS.values())
    with running_server(data_dir) as running:
        yield running


def as_sent(server: ServerProcess, call_id: str) -> dict[str, Any]:
    asked = request.Request(f"{server.url}/v2/get-call/{call_id}", headers=server.headers)  # noqa: S310 - http
    with request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        return json.loads(answer.read())


@pytest.mark.parametrize("name", CALLS)
def test_every_field_that_was_stored_is_sent(server: ServerProcess, name: str) -> None:
    sent = as_sent(server, f"call_{name}")
    stored = CALLS[name].wire()
    assert set(sent) == set(stored)
    urls = {field for field in stored if field.endswith("_url") and isinstance(stored[field], str)}
    assert len(urls) == 6
    assert {field: sent[field] for field in urls} == {field: server.url + stored[field] for field in urls}
    assert {field: sent[field] for field in set(sent) - urls} == {field: stored[field] for field in set(stored) - urls}


@every_form
@pytest.mark.parametrize("name", ["web_2024", "phone_2024"])
@generations("4.6", "4.7", "5.0", "5.64", "6.2", "node")
def test_every_generation_reads_every_field(sdk: SdkClient, server: ServerProcess, name: str) -> None:
    answer = sdk.answer("call.retrieve", f"call_{name}")
    assert answer.value == as_sent(server, f"call_{name}")
    if sdk.generation != "node":
        assert answer.type == CLASSES[CALLS[name].call_type]


@every_form
@pytest.mark.parametrize("name", ["web_newest", "phone_newest"])
@generations("6.2", "node")
def test_the_newest_clients_read_the_newest_fields(sdk: SdkClient, server: ServerProcess, name: str) -> None:
    answer = sdk.answer("call.retrieve", f"call_{name}")
    assert answer.value == as_sent(server, f"call_{name}")
    if sdk.generation != "node":
        assert answer.type == CLASSES[CALLS[name].call_type]


@generations("4.6", "4.7", "5.0", "5.64")
def test_older_clients_that_take_what_they_do_not_know_lose_nothing(sdk: SdkClient, server: ServerProcess) -> None:
    with sdk.changed(strict=False):
        for name in CALLS:
            assert sdk.ask("call.retrieve", f"call_{name}") == as_sent(server, f"call_{name}")


def test_no_field_that_the_newest_client_declares_is_left_empty(sdk: SdkClient) -> None:
    for name in ("web_newest", "phone_newest"):
        assert set(sdk.answer("call.retrieve", f"call_{name}").unfilled) == set()
