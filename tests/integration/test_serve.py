"""`retold serve` as a process: first start, what it refuses while it runs, and what stops it from starting."""

import http.client
import json
import re
import socket
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support import database
from support.patience import PATIENCE_S
from support.plain_client import SILENCE, ask, joined, wait_until
from support.server import ServerProcess, retold, running_server

NO_KEY = ""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """One server for all tests that leave it running."""
    with running_server(tmp_path_factory.mktemp("serve") / "data") as running:
        yield running


def test_a_first_start_shows_the_key_once_and_the_command_of_a_first_call(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", env={"RETOLD_API_KEY": NO_KEY}) as first:
        shown = first.output()
        key = re.search(r"key_[0-9a-f]{64}", shown)
        assert key is not None
        assert f"--server {first.url} --api-key {key.group()}" in shown
        first.api_key = key.group()
        assert ask(first, "GET", "/get-agent/demo")[1]["agent_name"] == "Ada (demo)"
    with running_server(tmp_path / "data", env={"RETOLD_API_KEY": NO_KEY}) as second:
        assert "key_" not in second.output()
        assert "keys create" in second.output()
        second.api_key = key.group()
        assert ask(second, "GET", "/get-agent/demo")[0] == 200


def test_a_first_start_loads_nothing_that_few_servers_need(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", env={"PYTHONPROFILEIMPORTTIME": "1"}) as server:
        assert ask(server, "POST", "/v2/create-web-call", {"agent_id": "demo"})[0] == 201
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", server.output(), flags=re.MULTILINE))
    assert {"fastapi", "sqlalchemy"} <= loaded
    # What is inside of a package is only listed once it is loaded, its own name at each try.
    unneeded = ("alembic.", "cryptography.", "pydantic.v1.", "rich.")
    assert [name for name in loaded if name.startswith(unneeded)] == []


def test_a_server_with_a_damaged_model_starts_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (folder / name).write_text("[")
    env = {"RETOLD_STT": "local", "RETOLD_LOCAL__WHISPER_DIR": str(folder)}
    with running_server(tmp_path / "data", env=env) as server:
        wait_until(lambda: "doctor" in ask(server, "GET", "/health/ready")[1]["speech"])
    shown = retold("doctor", data_dir=tmp_path / "data", **env)
    assert (shown.returncode, f"the vocabulary in {folder} cannot be read" in shown.stdout) == (1, True)


def test_a_call_that_nobody_joined_survives_a_restart(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server:
        call_id = ask(server, "POST", "/v2/create-web-call", {"agent_id": "demo"})[1]["call_id"]
    with (
        running_server(tmp_path / "data") as again,
        connect(f"{again.ws_url}/audio-websocket/{call_id}", compression=None) as audio,
    ):
        audio.send(SILENCE)
        wait_until(lambda: ask(again, "GET", f"/v2/get-call/{call_id}")[1]["call_status"] == "ongoing")


def test_unknown_finished_and_taken_calls_are_refused_with_a_reason(server: ServerProcess) -> None:
    def refusal(call_id: str) -> tuple[int, str]:
        with connect(f"{server.ws_url}/audio-websocket/{call_id}", compression=None) as socket_:
            with pytest.raises(ConnectionClosed) as closed:
                socket_.recv(timeout=PATIENCE_S)
            frame = closed.value.rcvd
            assert frame is not None
            return frame.code, frame.reason

    assert refusal("call_none") == (1008, "there is no call with this id")
    with joined(server) as (call_id, audio):
        assert refusal(call_id) == (1008, "the call is connected already, or over")
        audio.send(SILENCE)
    wait_until(lambda: ask(server, "GET", f"/v2/get-call/{call_id}")[1]["call_status"] == "ended")
    assert refusal(call_id) == (1008, "the call is over")


def test_a_stopped_call_ends_its_socket_and_says_so(server: ServerProcess) -> None:
    with joined(server) as (call_id, _):
        assert ask(server, "POST", f"/v2/stop-call/{call_id}")[0] == 204
        wait_until(lambda: ask(server, "GET", f"/v2/get-call/{call_id}")[1]["call_status"] == "ended")
    assert ask(server, "GET", f"/v2/get-call/{call_id}")[1]["disconnection_reason"] == "manual_stopped"


def test_a_chunked_body_over_the_limit_is_refused_and_the_server_goes_on(server: ServerProcess) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
    chunks = (b"x" * 65_536 for _ in range(32))
    connection.request("POST", "/create-agent", body=chunks, headers=server.headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "payload_too_large")
    connection.close()
    assert ask(server, "GET", "/health/ready")[0] == 200


def test_keys_are_made_and_revoked_while_the_server_runs(server: ServerProcess) -> None:
    folder = server.data_dir
    made = json.loads(retold("keys", "create", "--name", "second", "--json", data_dir=folder).stdout)
    with_it = ServerProcess(server.url, made["api_key"], server.data_dir, server.process, server.log_path)
    assert ask(with_it, "GET", "/list-agents")[0] == 200
    listed = json.loads(retold("keys", "list", "--json", data_dir=folder).stdout)
    assert {key["api_key_name"] for key in listed} == {"RETOLD_API_KEY", "second"}
    assert made["api_key"] not in json.dumps(listed)
    assert retold("keys", "revoke", made["api_key_id"], data_dir=folder).returncode == 0
    deadline = time.monotonic() + PATIENCE_S
    while ask(with_it, "GET", "/list-agents")[0] != 401:
        assert time.monotonic() < deadline, "the key still opens"
        time.sleep(0.1)
    again = retold("keys", "revoke", made["api_key_id"], data_dir=folder)
    assert (again.returncode, "no active key" in again.stderr) == (1, True)


def test_a_port_in_use_is_said_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = retold("serve", "--port", str(port), data_dir=tmp_path / "data")
    assert refused.returncode == 1
    assert f"port {port} is in use" in refused.stderr
    assert "--port 0" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_another_server_uses_is_refused(server: ServerProcess) -> None:
    refused = retold("serve", "--port", "0", data_dir=server.data_dir, RETOLD_STT="scripted")
    assert refused.returncode == 1
    assert "another server uses the data folder" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    refused = retold("serve", data_dir=tmp_path, RETOLD_CONCURRENCY_LIMIT="many")
    assert refused.returncode == 1
    assert "RETOLD_CONCURRENCY_LIMIT" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = retold("serve", "--port", "0", data_dir=tmp_path / "file" / "data", RETOLD_STT="scripted")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "fix:" in refused.stderr


def test_doctor_reports_in_text_and_json(tmp_path: Path) -> None:
    shown = retold("doctor", "--port", "0", data_dir=tmp_path / "data")
    report = json.loads(retold("doctor", "--port", "0", "--json", data_dir=tmp_path / "data").stdout)
    assert shown.returncode == (0 if report["ok"] else 1)
    names = {check["name"] for check in report["checks"]}
    assert {"python", database.KIND, "silero", "whisper", "hibari", "llm", "port", "clock", "data dir", "disk"} <= names
    assert all(name in shown.stdout for name in names)
    assert all(check["fix"] for check in report["checks"] if check["state"] == "broken")
