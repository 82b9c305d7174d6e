"""How `retold serve` ends: it drains, a second signal ends its calls, and so does a disk that fails."""

import signal
import struct
import time
from contextlib import ExitStack
from pathlib import Path

from retold.cli.server import LAST_RESORT_S
from support.failing_disk import BROKEN, HANGS
from support.patience import PATIENCE_S
from support.plain_client import SILENCE, ask, joined, wait_until
from support.server import running_server, start_server

LOUD = struct.pack("<h", 8000) * 480
FAILING_DISK = ("-m", "support.failing_disk")
FAILING_DISK_ENV = {"PYTHONPATH": str(Path(__file__).parents[1])}


def test_sigterm_lets_a_running_call_finish_and_takes_no_more(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data")
    with joined(server) as (call_id, audio):
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: ask(server, "GET", "/health/ready")[0] == 503)
        status, refusal = ask(server, "POST", "/v2/create-web-call", {"agent_id": "demo"})
        assert (status, refusal["code"]) == (503, "unavailable")
        assert ask(server, "GET", f"/v2/get-call/{call_id}")[1]["call_status"] == "ongoing"
        audio.send(SILENCE)
        time.sleep(0.5)
        assert server.process.poll() is None
    assert server.process.wait(PATIENCE_S) == 0
    with running_server(tmp_path / "data") as again:
        call = ask(again, "GET", f"/v2/get-call/{call_id}")[1]
        assert (call["call_status"], call["disconnection_reason"]) == ("ended", "user_hangup")


def test_the_last_resort_comes_within_the_five_seconds_that_are_promised() -> None:
    """The tests below see a server leave that would not without it, whatever the speed of the machine."""
    assert LAST_RESORT_S < 5


def test_a_second_sigterm_ends_calls(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data")
    with joined(server) as (call_id, _):
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: ask(server, "GET", "/health/ready")[0] == 503)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0
    with running_server(tmp_path / "data") as again:
        call = ask(again, "GET", f"/v2/get-call/{call_id}")[1]
        assert (call["call_status"], call["disconnection_reason"]) == ("error", "error_retell")
        assert "call_recovered" not in again.output()


def test_a_second_sigterm_ends_busy_calls_whatever_recognition_does(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", env={"RETOLD_SCRIPTED__STT_MS": "600000"})
    with ExitStack() as stack:
        calls = [stack.enter_context(joined(server)) for _ in range(4)]
        for _ in range(50):
            for _, audio in calls:
                audio.send(LOUD)
            time.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: ask(server, "GET", "/health/ready")[0] == 503)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0
    with running_server(tmp_path / "data") as again:
        for call_id, _ in calls:
            call = ask(again, "GET", f"/v2/get-call/{call_id}")[1]
            assert (call["call_status"], call["disconnection_reason"]) == ("error", "error_retell")


def test_a_second_sigterm_ends_a_server_whose_disk_hangs(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", env=FAILING_DISK_ENV, program=FAILING_DISK)
    with joined(server) as (call_id, _), joined(server):
        (server.data_dir / HANGS).touch()
        server.process.send_signal(signal.SIGTERM)
        wait_until(server.is_draining)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0
    (server.data_dir / HANGS).unlink()
    with running_server(tmp_path / "data") as again:
        assert ask(again, "GET", f"/v2/get-call/{call_id}")[1]["disconnection_reason"] == "error_retell"


def test_a_failed_disk_ends_calls_and_server_and_the_next_start_recovers_them(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", env=FAILING_DISK_ENV, program=FAILING_DISK)
    with joined(server) as (call_id, _):
        (server.data_dir / BROKEN).touch()
        assert server.process.wait(PATIENCE_S) == 1
    assert server.output().count('"storage_broken"') == 1
    assert "Traceback" not in server.output()
    (server.data_dir / BROKEN).unlink()
    with running_server(tmp_path / "data") as again:
        call = ask(again, "GET", f"/v2/get-call/{call_id}")[1]
        assert (call["call_status"], call["disconnection_reason"]) == ("error", "error_retell")
