import gzip
from pathlib import Path

import pytest

from retold.storage.disk import Ballast, Disk
from retold.storage.files import FILE_NAMES, stored_path, write_log
from support.stored import FaultyDisk


def test_the_log_is_kept_compressed_and_the_same_each_time(tmp_path: Path) -> None:
    lines = ["[00:00.000] hello", "[00:01.000] grüße"]
    contents: list[bytes] = []
    for _ in range(2):
        write_log(iter(lines), tmp_path, "abc123", Disk())
        contents.append(stored_path(tmp_path, "abc123", "public_log.txt").read_bytes())
    assert contents[0] == contents[1]
    assert gzip.decompress(contents[0]).decode() == "[00:00.000] hello\n[00:01.000] grüße\n"


def test_a_log_that_cannot_be_written_leaves_no_scrap(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="made to fail"):
        write_log(["x"], tmp_path, "abc", FaultyDisk(lambda _, operation: operation == "fsync"))
    assert list((tmp_path / "files" / "abc").iterdir()) == []


@pytest.mark.parametrize(
    ("token", "name"),
    [("..", "recording.wav"), ("abc", "../retold.db"), ("abc", "retold.db"), ("", "recording.wav"), ("a/b", "x")],
)
def test_no_other_file_can_be_named(tmp_path: Path, token: str, name: str) -> None:
    with pytest.raises(ValueError, match="no such file"):
        stored_path(tmp_path, token, name)


def test_every_file_has_its_place(tmp_path: Path) -> None:
    assert [stored_path(tmp_path, "t1", name).name for name in FILE_NAMES] == [
        "recording.wav",
        "recording_multi_channel.wav",
        "scrubbed_recording.wav",
        "scrubbed_recording_multi_channel.wav",
        "public_log.txt.gz",
    ]


def test_ballast_occupies_space_until_it_is_released(tmp_path: Path) -> None:
    disk = FaultyDisk(lambda _number, _operation: False)
    ballast = Ballast(tmp_path, disk, 4096)
    assert ballast.load()
    assert ballast.is_loaded
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= 4096
    ballast.release()
    assert not ballast.is_loaded
    disk.free = 100
    assert not ballast.load()
    assert list(tmp_path.iterdir()) == []
    disk.free = None
    assert ballast.load()
