"""What a real server says to weak and revoked keys, and when too many connect at once."""

import http.client
import json
import socket
from pathlib import Path

from support.patience import PATIENCE_S
from support.plain_client import wait_until
from support.server import TEST_KEY, retold, running_server


def test_a_short_key_is_refused_at_the_start_and_not_shown(tmp_path: Path) -> None:
    refused = retold("serve", "--port", "0", data_dir=tmp_path / "data", RETOLD_API_KEY="key_secret")
    assert refused.returncode == 1
    assert "RETOLD_API_KEY" in refused.stderr
    assert "24 to 512 characters" in refused.stderr
    assert "key_secret" not in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_revoked_key_from_the_environment_is_said_to_open_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_server(folder) as server:
        assert "was revoked" not in server.output()
        [key] = json.loads(retold("keys", "list", "--json", data_dir=folder).stdout)
        assert len(key["key_prefix"]) <= len(TEST_KEY) / 4
        assert retold("keys", "revoke", key["api_key_id"], data_dir=folder).returncode == 0
    with running_server(folder) as server:
        assert "the one in RETOLD_API_KEY was revoked and opens nothing" in server.output()


def test_beyond_the_connection_limit_requests_are_refused_until_there_is_room(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", env={"RETOLD_CONNECTION_LIMIT": "3"}) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")

        def status() -> int | None:
            """None when far too many are connected: then even the connection is refused."""
            connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
            try:
                connection.request("GET", "/health/live")
                return connection.getresponse().status
            except ConnectionError:
                return None
            finally:
                connection.close()

        idle = [socket.create_connection((host, int(port))) for _ in range(2)]
        wait_until(lambda: status() == 200)

        def is_full() -> bool:
            # Those who say nothing for a second make room, and who has left is counted until the server has looked.
            idle.extend(socket.create_connection((host, int(port))) for _ in range(3))
            return status() == 503

        wait_until(is_full)
        for one in idle:
            one.close()
        wait_until(lambda: status() == 200)
