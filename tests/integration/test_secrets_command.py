"""`retold secrets` while a server runs, killed in the middle, and given again."""

import signal
from pathlib import Path

from support.plain_client import ask
from support.server import retold, running_server


def test_a_rotation_that_is_killed_beside_a_server_is_given_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_server(folder) as server:
        made = ask(server, "POST", "/create-api-key", {"is_webhook_key": True})
        assert made[0] == 201
        first = (folder / "master.key").read_text()
        for point in ("secrets_in_transaction", "secrets_resealed"):
            killed = retold("secrets", "rotate", "--grace", "0s", data_dir=folder, RETOLD_CRASH_AT=point)
            assert killed.returncode == -signal.SIGKILL
            assert first in (folder / "master.key").read_text()
            assert retold("secrets", "check", data_dir=folder).returncode == 0
        done = retold("secrets", "rotate", "--grace", "0s", data_dir=folder)
        assert done.returncode == 0, done.stderr
        assert first not in (folder / "master.key").read_text()
        assert retold("secrets", "check", data_dir=folder).stdout.startswith("1 under the master key, 0 under a former")
        # The server seals under the new key by itself.
        assert ask(server, "POST", "/create-api-key", {"is_webhook_key": True})[0] == 201
    assert retold("secrets", "check", data_dir=folder).returncode == 0
    (folder / "master.key").write_text("0f" * 32)
    lost = retold("secrets", "check", data_dir=folder)
    assert (lost.returncode, "restore master.key" in lost.stderr) == (1, True)


def test_a_key_of_the_environment_is_not_changed_by_the_command(tmp_path: Path) -> None:
    refused = retold("secrets", "rotate", data_dir=tmp_path, RETOLD_MASTER_KEY="0f" * 32)
    assert refused.returncode == 2
    assert "RETOLD_MASTER_KEY=NEW,OLD" in refused.stderr
