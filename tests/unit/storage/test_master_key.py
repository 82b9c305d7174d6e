from pathlib import Path

import pytest

from retold.errors import StorageError
from retold.storage.master_key import MasterKey


def test_what_is_sealed_opens_for_its_owner_only(tmp_path: Path) -> None:
    key = MasterKey(tmp_path, None)
    sealed = key.seal("a secret", owner="org/one")
    assert "a secret" not in sealed
    assert key.seal("a secret", owner="org/one") != sealed
    assert MasterKey(tmp_path, None).open(sealed, owner="org/one") == "a secret"
    with pytest.raises(StorageError):
        key.open(sealed, owner="org/two")


def test_what_the_first_form_sealed_still_opens_for_its_owner_only(tmp_path: Path) -> None:
    key = MasterKey(tmp_path, "00112233445566778899aabbccddeeff" * 2)
    sealed = "1:/7LLVnni32dScIy0kU0N7q8B4uFcXrE8aN+uIVEbLqORsuZ/Txwk+hJnC3UGnfiyPsz7ycxgOvA="
    assert key.open(sealed, owner="org_default/key_1") == "key_sealed_by_the_first_form"
    with pytest.raises(StorageError, match=r"restore master\.key"):
        key.open(sealed, owner="org_default/key_2")
    with pytest.raises(StorageError, match=r"restore master\.key"):
        MasterKey(tmp_path, "0f" * 32).open(sealed, owner="org_default/key_1")


def test_the_key_of_the_settings_goes_before_the_file(tmp_path: Path) -> None:
    sealed = MasterKey(tmp_path, "0f" * 32).seal("a secret", owner="o")
    assert not (tmp_path / "master.key").exists()
    with pytest.raises(StorageError):
        MasterKey(tmp_path, None).open(sealed, owner="o")


def test_the_file_is_for_the_owner_alone_and_is_made_once(tmp_path: Path) -> None:
    MasterKey(tmp_path, None).seal("x", owner="o")
    made = (tmp_path / "master.key").read_text()
    MasterKey(tmp_path, None).seal("x", owner="o")
    assert (tmp_path / "master.key").read_text() == made
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    key = MasterKey(tmp_path, "0f" * 32)
    assert len(key.derived("one")) == 32
    assert len({key.derived("one"), key.derived("two"), MasterKey(tmp_path, "1f" * 32).derived("one")}) == 3
    assert key.derived("one") == MasterKey(tmp_path, "0f" * 32).derived("one")


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text("abcd")
    with pytest.raises(StorageError, match="64 hex digits"):
        MasterKey(tmp_path, None).seal("x", owner="o")
