"""`retold audit` on a data folder."""

import json
import sqlite3
from pathlib import Path

from support.database import sqlite_only
from support.server import retold


@sqlite_only
def test_the_log_is_listed_and_an_altered_entry_is_found(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        assert retold("keys", "create", "--name", name, data_dir=tmp_path).returncode == 0
    listed = retold("audit", "list", data_dir=tmp_path)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["1", "2", "3"]
    assert "command" in listed.stdout
    as_json = json.loads(retold("audit", "list", "--json", "--limit", "1", data_dir=tmp_path).stdout)
    assert as_json[0]["changes"]["api_key_name"] == [None, "three"]

    good = retold("audit", "verify", "--json", data_dir=tmp_path)
    verdict = json.loads(good.stdout)
    assert (good.returncode, verdict["ok"], verdict["entries"]) == (0, True, 3)
    assert retold("audit", "verify", "--head", verdict["head"], data_dir=tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "retold.db") as connection:
        connection.execute("UPDATE audit SET at_ms = at_ms + 1 WHERE sequence = 2")
    connection.close()
    altered = retold("audit", "verify", data_dir=tmp_path)
    assert altered.returncode == 1
    assert "entry 2 of org_default was altered" in altered.stderr
    absent = retold("audit", "verify", "--head", "f" * 64, "--org", "org_none", data_dir=tmp_path)
    assert absent.returncode == 1
    assert "no entry" in absent.stderr
