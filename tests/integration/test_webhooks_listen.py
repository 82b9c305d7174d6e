"""`retold webhooks listen` as a person and a script use it."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib import error, request

import pytest

from retold.clock import SystemClock
from retold.domain import standard_webhooks, webhook_signature
from support.patience import PATIENCE_S

pytestmark = pytest.mark.timeout(300)

KEY = "key_test_0123456789abcdef"
ENDED = {
    "event": "call_ended",
    "call": {"call_id": "call_1", "disconnection_reason": "user_hangup", "duration_ms": 12_340},
}


class Listening:
    """A running `retold webhooks listen`; its output goes to files, which can be read at any time."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, out: Path) -> None:
        self.process = process
        self.url = url
        self._out = out

    def output(self) -> str:
        return self._out.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextmanager
def listening(folder: Path, *options: str, **env: str) -> Generator[Listening]:
    out = folder / "out.txt"
    command = [sys.executable, "-m", "retold", "webhooks", "listen", "--port", "0", *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RETOLD_")}
    with (
        out.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, env={**clean, **env}) as process,
    ):
        try:
            assert process.stderr is not None
            said = process.stderr.readline().decode()
            assert said.startswith("Webhooks sent to http://"), said + process.stderr.read().decode()
            yield Listening(process, said.split()[3], out)
        finally:
            process.kill()


def post(url: str, content: Any, *, key: str | None = KEY, event_id: str = "evt_1", method: str = "POST") -> int:
    body = json.dumps(content).encode()
    now_ms = SystemClock().wall_ms()
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers |= standard_webhooks.headers(body, key, event_id, now_ms)
        headers[webhook_signature.HEADER] = webhook_signature.sign(body, key, now_ms)
    asked = request.Request(url, body, headers, method=method)  # noqa: S310 - our own http address
    try:
        with request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own http address
            return answer.status
    except error.HTTPError as refused:
        with refused:
            return refused.code


def test_each_delivery_is_printed_and_verified(tmp_path: Path) -> None:
    with listening(tmp_path, RETOLD_API_KEY=KEY) as listener:
        assert post(listener.url, ENDED) == 204
        assert post(listener.url + "some/path", ENDED) == 204
        assert post(listener.url, {"event": "call_started", "call": {"call_id": "call_2"}}, key="key_of_others") == 204
        assert post(listener.url, ENDED, method="PUT") == 405
        lines = listener.output().splitlines()
        assert listener.stop() == 0
    assert len(lines) == 6
    assert "call_ended  call_1  user_hangup after 12.3 s" in lines[0]
    assert "answered 204; signed with this key (X-Retell-Signature, Standard Webhooks)" in lines[1]
    assert "delivery 2 of this event" in lines[3]
    assert "call_started  call_2" in lines[4]
    assert "NOT VERIFIED" in lines[5]
    assert "\x1b" not in "".join(lines), "a file gets no colours"


def test_a_failing_receiver_is_played_as_often_as_wanted(tmp_path: Path) -> None:
    with listening(tmp_path, "--fail", "500", "--times", "2", "--json") as listener:
        assert [post(listener.url, ENDED) for _ in range(3)] == [500, 500, 204]
        assert post(listener.url, ENDED, event_id="evt_2") == 500
        told = [json.loads(line) for line in listener.output().splitlines()]
    assert [(one["event_id"], one["delivery"], one["status"]) for one in told] == [
        ("evt_1", 1, 500),
        ("evt_1", 2, 500),
        ("evt_1", 3, 204),
        ("evt_2", 1, 500),
    ]
    assert all(one["is_retell_signature_good"] is None for one in told), "no key was given"
    assert json.loads(told[0]["body"]) == ENDED


def test_whole_bodies_are_printed_when_asked_for(tmp_path: Path) -> None:
    with listening(tmp_path, "--body", "--api-key", KEY) as listener:
        post(listener.url, ENDED)
        assert '"disconnection_reason": "user_hangup"' in listener.output()


@pytest.mark.parametrize("options", [("--times", "2"), ("--fail", "99")])
def test_options_that_say_nothing_are_refused(options: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "retold", "webhooks", "listen", *options]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 2
