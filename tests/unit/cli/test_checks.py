"""What `retold doctor` says of a machine."""

import os
from pathlib import Path

import pytest

from retold.cli import checks
from retold.cli.language_model import check_language_model
from retold.settings import LanguageModelSettings


@pytest.mark.parametrize(
    ("version", "is_mended"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 54, 1), True),
        ((4, 0, 0), True),
    ],
    ids=str,
)
def test_sqlite_is_graded_against_the_wal_reset_bug(version: checks.Version, is_mended: bool) -> None:
    finding = checks.grade_sqlite(version)
    assert ("free of the WAL-reset bug" in finding.detail) is is_mended


def test_an_ancient_sqlite_or_python_is_broken() -> None:
    assert checks.grade_sqlite((3, 8, 0)).state == "broken"
    assert checks.check_python((3, 10, 9)).state == "broken"


def test_a_missing_language_model_is_named_with_its_setting() -> None:
    finding = check_language_model(LanguageModelSettings())
    assert finding.state == "warning"
    assert "RETOLD_LLM__BASE_URL" in (finding.fix or "")


def test_a_script_is_read(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text('{"rules": [{"steps": [{"say": "Hello."}]}]}')
    assert check_language_model(LanguageModelSettings(provider="scripted")).state == "ok"
    assert "1 rules" in check_language_model(LanguageModelSettings(provider="scripted", script=file)).detail
    file.write_text('{"rules": 5}')
    assert check_language_model(LanguageModelSettings(provider="scripted", script=file)).state == "broken"


@pytest.mark.parametrize(("now_s", "state"), [(0, "broken"), (1_800_000_000, "ok"), (5_000_000_000, "broken")])
def test_a_clock_that_was_never_set_is_broken(now_s: float, state: str) -> None:
    assert checks.check_clock(now_s).state == state


def test_a_data_folder_that_is_a_file_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("")
    assert checks.check_rights(file).state == "broken"


def test_a_data_folder_that_can_be_made_is_fine(tmp_path: Path) -> None:
    assert checks.check_rights(tmp_path / "a" / "b").state == "ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_folder_without_rights_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    assert checks.check_rights(folder).state == "broken"


def test_a_disk_below_the_limit_is_broken(tmp_path: Path) -> None:
    assert checks.check_disk(tmp_path, 10**9).state == "broken"
    assert checks.check_disk(tmp_path, 0).state in {"ok", "warning"}
