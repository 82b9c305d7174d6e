"""What nobody honest sends: generated nonsense, injections in every text, guessed keys, bodies without end."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from support.generated_requests import generate_requests
from support.patience import PATIENCE_S
from support.server import ServerProcess, running_server

GENERATED_TIME_S = 40
GUESSES = 5_000
FAILED_KEYS = 10
"""The default of RETOLD_FAILED_KEYS_PER_MINUTE."""
INJECTIONS = (
    "'; DROP TABLE call; --",
    '" OR 1=1 --',
    "a\r\nSet-Cookie: owned=1\r\n\r\n<html>",
    "<script>alert(1)</script>",
    "{{x.__class__.__mro__}} ${7*7} {{7*7}} %{7*7}",
    "../../../../etc/passwd",
    "%s%s%n \\x00 \u202e \ufeff",
    "\U0001f9ff" * 50,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("hostile") / "data") as running:
        yield running


@pytest.fixture
def api(server: ServerProcess) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, headers=server.headers, timeout=PATIENCE_S) as client:
        yield client


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_generated_requests_find_no_server_error_and_nothing_undescribed(tmp_path: Path) -> None:
    # Some of them are asked without a key, or with a wrong one, and more than an honest client would.
    with running_server(tmp_path / "data", env={"RETOLD_FAILED_KEYS_PER_MINUTE": "1000000"}) as server:
        generated = generate_requests(server, tmp_path, examples=5, max_time_s=GENERATED_TIME_S)
    assert generated.failures == 0, generated.report
    # How many fit into the time depends on the machine; `make bench` has a number.
    assert generated.requests >= 20


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_is_kept_as_the_text_that_it_is(api: httpx2.Client, text: str) -> None:
    engine = {"type": "custom-llm", "llm_websocket_url": "wss://a.example.com"}
    made = api.post(
        "/create-agent",
        json={"voice_id": "default", "response_engine": engine, "agent_name": text, "boosted_keywords": [text]},
    )
    assert made.status_code == 201, made.text
    agent = api.get(f"/get-agent/{made.json()['agent_id']}")
    assert (agent.json()["agent_name"], agent.json()["boosted_keywords"]) == (text, [text])
    details: dict[str, Any] = {"metadata": {text: text}, "retell_llm_dynamic_variables": {text: text}}
    call = api.post("/v2/create-web-call", json={"agent_id": made.json()["agent_id"], **details})
    assert call.status_code == 201, call.text
    shown = api.get(f"/v2/get-call/{call.json()['call_id']}").json()
    assert {name: shown[name] for name in details} == details
    key = api.post("/create-api-key", json={"api_key_name": text})
    assert key.json()["api_key_name"] == text
    for answer in (made, agent, call, key):
        assert answer.headers["Content-Type"] == "application/json"
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_where_an_id_or_a_filter_belongs_finds_nothing(api: httpx2.Client, text: str) -> None:
    for path in ("/get-agent", "/v2/get-call"):
        answer = api.get(f"{path}/{quote(text.replace('/', '_'), safe='')}")
        assert answer.status_code == 422, answer.text
    for refused in (
        api.post("/v2/create-web-call", json={"agent_id": text}),
        api.get("/list-agents", params={"pagination_key": text}),
        api.post("/create-agent", json={"voice_id": "default", "language": text}),
    ):
        assert refused.status_code in {200, 400, 422}, refused.text
    assert api.post("/v2/list-calls", json={"filter_criteria": {"agent_id": [text]}}).json() == []
    for header in ("X-Request-Id", "Idempotency-Key", "X-Forwarded-For", "Accept"):
        sent = text.encode().replace(b"\r\n", b" ")
        answer = api.post("/v2/list-calls", json={}, headers={header.encode(): sent})
        assert answer.status_code < 500, (header, answer.text)


def test_guessing_keys_is_throttled_and_honest_clients_feel_nothing(server: ServerProcess, api: httpx2.Client) -> None:
    assert api.get("/list-agents").status_code == 200
    began_s = time.monotonic()
    statuses: list[int] = []
    for number in range(GUESSES):
        guess = {"Authorization": f"Bearer key_guess_{number:064}"}
        statuses.append(api.get("/list-agents", headers=guess).status_code)
        if number % 100 == 0:
            assert api.get("/list-agents").status_code == 200
    looked_up = statuses.count(401)
    assert set(statuses) == {401, 429}
    assert statuses[:FAILED_KEYS] == [401] * FAILED_KEYS
    # Ten at once, and one each six seconds.
    assert looked_up <= FAILED_KEYS + (time.monotonic() - began_s) / 6 + 1
    assert int(api.get("/list-agents", headers={"Authorization": "Bearer key_x"}).headers["Retry-After"]) >= 1
    assert api.get("/list-agents").status_code == 200


def test_a_body_of_a_gigabyte_in_chunks_is_cut_off(server: ServerProcess, api: httpx2.Client) -> None:
    before_kb = memory_kb(server)
    host, _, port = server.url.removeprefix("http://").partition(":")
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent = 0
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as raw:
        head = f"POST /create-agent HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.api_key}\r\n"
        raw.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while sent < 1024**3:
                raw.sendall(chunk)
                sent += len(chunk)
    assert sent < 64 * 1024**2
    assert memory_kb(server) - before_kb < 40 * 1024
    assert api.get("/list-agents").status_code == 200


def memory_kb(server: ServerProcess) -> int:
    """Resident memory of the server's process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}",
        b'{"volume": 1' + b"0" * 308 + b"}",
        b'{"volume": 1e309}',
        b'{"volume": ' + b"9" * 900_000 + b"}",
        b'"' + b"\\u0000" * 100_000 + b'"',
    ],
    ids=["depth", "deep objects", "keys", "large number", "infinite", "digits", "nuls"],
)
def test_a_body_that_costs_much_to_read_is_refused_quickly(server: ServerProcess, body: bytes) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
    connection.request("POST", "/create-agent", body, server.headers | {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert (answer.status, told["status"]) == (400, "error")
