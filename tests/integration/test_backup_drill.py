"""The drill: a server is backed up with calls on it, restored elsewhere, and asked for all it had acknowledged."""

import io
import json
import threading
import wave
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib import request

import pytest

from support.joined_call import joined_call
from support.patience import PATIENCE_S
from support.plain_client import SILENCE, ask, joined, wait_until
from support.server import ServerProcess, retold, running_server

ENV = {"RETOLD_REJOIN_TIMEOUT_MS": "0", "RETOLD_NO_AUDIO_TIMEOUT_MS": "600000"}
"""Who hangs up is gone at once; who says nothing may stay for as long as this machine takes."""


def call_of(server: ServerProcess, call_id: str) -> dict[str, Any]:
    """The call as it is shown, but for the address of its server."""
    status, call = ask(server, "GET", f"/v2/get-call/{call_id}")
    assert status == 200, call
    return json.loads(json.dumps(call).replace(server.url, "http://here"))


def is_over(server: ServerProcess, call_id: str) -> bool:
    return call_of(server, call_id)["call_status"] not in {"registered", "ongoing"}


def recorded_ms(server: ServerProcess, call: dict[str, Any]) -> float:
    """How long its recording plays."""
    address = call["recording_url"].replace("http://here", server.url)
    with request.urlopen(address, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
        assert answer.status == 200
        with wave.open(io.BytesIO(answer.read())) as sound:
            return sound.getnframes() * 1000 / sound.getframerate()


@contextmanager
def load(server: ServerProcess, acknowledged: list[str]) -> Generator[None]:
    """Customers who create and hold one call after another, until the block is left."""
    is_over = threading.Event()
    refused: list[Exception] = []

    def come_and_go() -> None:
        try:
            while not is_over.is_set():
                with joined(server) as (call_id, audio):
                    acknowledged.append(call_id)
                    audio.send(SILENCE)
        except Exception as error:  # noqa: BLE001 - whatever it was, the test says it
            refused.append(error)

    customers = [threading.Thread(target=come_and_go) for _ in range(2)]
    for customer in customers:
        customer.start()
    try:
        yield
    finally:
        is_over.set()
        for customer in customers:
            customer.join(PATIENCE_S)
    assert refused == []


@pytest.mark.timeout(300)
def test_a_restored_server_has_every_call_that_was_acknowledged(tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar.gz"
    acknowledged: list[str] = []
    with running_server(tmp_path / "old", env=ENV) as old:
        with joined(old) as (first, _):
            pass
        wait_until(lambda: is_over(old, first))
        running = ask(old, "POST", "/v2/create-web-call", {"agent_id": "demo"})[1]["call_id"]
        with load(old, acknowledged), joined_call(old.url, running):
            wait_until(lambda: len(acknowledged) >= 4)
            over = [first, *(call_id for call_id in list(acknowledged) if is_over(old, call_id))]
            before = {call_id: call_of(old, call_id) for call_id in over}
            known = [running, *acknowledged]
            made = retold("backup", str(backup), "--with-master-key", "--json", data_dir=tmp_path / "old")
            assert made.returncode == 0, made.stderr
            # Nobody was disturbed.
            assert call_of(old, running)["call_status"] == "ongoing"
            assert ask(old, "DELETE", f"/v2/delete-call/{first}")[0] == 204
    restored = retold("restore", str(backup), data_dir=tmp_path / "new")
    assert restored.returncode == 0, restored.stderr
    assert json.loads(made.stdout)["calls"] >= len(known)
    with running_server(tmp_path / "new") as new:
        for call_id in over:
            # An analysis may have come meanwhile; nothing that was shown is lost or another.
            restored_call = call_of(new, call_id)
            assert {field: restored_call.get(field) for field in before[call_id]} == before[call_id]
            # Lengths are whole samples.
            assert abs(recorded_ms(new, before[call_id]) - before[call_id]["duration_ms"]) < 2
        for call_id in known:
            wait_until(lambda call_id=call_id: is_over(new, call_id))
        recovered = call_of(new, running)
        assert (recovered["call_status"], recovered["disconnection_reason"]) == ("error", "error_retell")
        assert recorded_ms(new, recovered) > 0


def test_commands_say_in_one_line_why_they_refuse(tmp_path: Path) -> None:
    nothing = retold("backup", str(tmp_path / "backup.tar.gz"), data_dir=tmp_path / "nowhere")
    (tmp_path / "torn.tar.gz").write_bytes(b"\x1f\x8b torn")
    torn = retold("restore", str(tmp_path / "torn.tar.gz"), data_dir=tmp_path / "new")
    for refused, why in ((nothing, "there is no data folder"), (torn, "is no whole backup")):
        assert refused.returncode == 1
        assert why in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not (tmp_path / "new").exists()
