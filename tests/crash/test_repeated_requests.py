"""A SIGKILL in the middle of a request with an idempotency key, a restart, and the same request once more."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.server import ServerProcess, start_server

CALL = {"agent_id": "demo"}
KEYED = {"Idempotency-Key": "one-call-please"}


def create(server: ServerProcess) -> httpx2.Response:
    return httpx2.post(f"{server.url}/v2/create-web-call", json=CALL, headers=server.headers | KEYED, timeout=20)


def calls(server: ServerProcess) -> list[dict[str, Any]]:
    return httpx2.post(f"{server.url}/v2/list-calls", json={}, headers=server.headers, timeout=20).json()


def kill_in_the_middle(folder: Path, crash_point: str) -> None:
    server = start_server(folder, env={"RETOLD_CRASH_AT": crash_point})
    with pytest.raises(httpx2.TransportError):
        create(server)
    server.kill()


def test_killed_before_the_commit_the_request_takes_effect_when_it_is_repeated(tmp_path: Path) -> None:
    kill_in_the_middle(tmp_path / "data", "create_in_transaction")
    server = start_server(tmp_path / "data")
    try:
        first, second = create(server), create(server)
        assert (first.status_code, second.content) == (201, first.content)
        assert [call["call_id"] for call in calls(server)] == [first.json()["call_id"]]
    finally:
        server.kill()


def test_killed_between_the_commit_and_the_answer_it_is_refused_and_not_done_twice(tmp_path: Path) -> None:
    kill_in_the_middle(tmp_path / "data", "create_committed")
    server = start_server(tmp_path / "data")
    try:
        for _ in range(2):
            refused = create(server)
            assert (refused.status_code, refused.json()["code"]) == (409, "answer_not_kept")
        assert len(calls(server)) == 1
    finally:
        server.kill()
