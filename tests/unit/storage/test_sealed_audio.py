"""Audio that may not be stored: noise on the disk, and the very samples for who has the key."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.storage.disk import Disk
from retold.storage.recordings import MULTI_CHANNEL, RECORDING, Recording, encode
from retold.storage.tape import Recorder, SpoolTape
from retold.storage.unstored_recording import UnstoredRecording
from support.stored import FaultyDisk

CALL = "call_1"
RATE = 8_000

pieces = st.lists(
    st.tuples(
        st.sampled_from(["caller", "agent", "flush"]),
        st.integers(0, 3_000),
        st.integers(1, 400),
        st.integers(-20_000, 20_000),
    ),
    max_size=30,
)


def tape(folder: Path, *, is_sealed: bool) -> SpoolTape:
    folder.mkdir(parents=True, exist_ok=True)
    return SpoolTape(Recorder(folder), folder, CALL, is_sealed=is_sealed)


def all_of(recording: UnstoredRecording, name: str) -> bytes:
    got = bytearray()
    while len(got) < recording.size(name):
        got += recording.part(name, len(got))
    return bytes(got)


@given(pieces, st.data())
def test_an_unstored_recording_is_byte_for_byte_what_would_be_stored(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("tape")
    both = [tape(folder / kind, is_sealed=kind == "sealed") for kind in ("plain", "sealed")]
    for channel, start, count, value in written:
        pcm = np.full(count, value, dtype="<i2").tobytes()
        for one in both:
            if channel == "flush":
                one.flush(Disk())
            elif channel == "caller":
                one.write_caller(start, pcm)
            else:
                one.write_agent(start, pcm)
    for one in both:
        one.flush(Disk(), is_last=True)
    shape = Recording(CALL, RATE, 500)
    encode(shape, folder / "plain", folder / "files", Disk())
    sealed = both[1].sealed
    assert sealed is not None
    recording = UnstoredRecording(shape, *sealed)
    for name in (RECORDING, MULTI_CHANNEL):
        stored = (folder / "files" / name).read_bytes()
        assert all_of(recording, name) == stored
        start = data.draw(st.integers(0, len(stored) - 1))
        part = recording.part(name, start)
        assert part
        assert stored[start : start + len(part)] == part


def test_nothing_that_was_said_can_be_read_from_the_file(tmp_path: Path) -> None:
    sound = b"\x12\x34\x56\x78" * 1_000
    one = tape(tmp_path, is_sealed=True)
    one.write_caller(0, sound)
    one.flush(Disk(), is_last=True)
    [file] = list(tmp_path.iterdir())
    noise = file.read_bytes()
    assert len(noise) >= len(sound)
    assert sound[:16] not in noise
    assert len(set(noise)) == 256


def test_without_its_key_it_is_gone(tmp_path: Path) -> None:
    one = tape(tmp_path, is_sealed=True)
    one.write_caller(0, b"\x01\x00" * 800)
    one.flush(Disk(), is_last=True)
    assert one.sealed is not None
    recording = UnstoredRecording(Recording(CALL, RATE, 100), *one.sealed)
    recording.remove()
    recording.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="was removed"):
        recording.part(RECORDING, 44)


def test_a_piece_that_the_disk_refuses_is_silent(tmp_path: Path) -> None:
    one = tape(tmp_path, is_sealed=True)
    one.write_caller(0, b"\x01\x00" * 100)
    one.flush(FaultyDisk(lambda _number, operation: operation == "write"))
    one.write_caller(100, b"\x02\x00" * 100)
    one.flush(Disk(), is_last=True)
    assert one.sealed is not None
    caller, _ = one.sealed
    assert caller.read(0, 200) == bytes(200) + b"\x02\x00" * 100
    assert not one.is_complete


def test_a_discarded_tape_has_no_audio(tmp_path: Path) -> None:
    one = tape(tmp_path, is_sealed=True)
    one.write_caller(0, bytes(200))
    one.flush(Disk())
    one.discard()
    assert one.sealed is None
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_that_died_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "unstored").mkdir()
    (tmp_path / "unstored" / "call_1.caller.sealed").write_bytes(b"noise")
    Recorder(tmp_path).open()
    assert list((tmp_path / "unstored").iterdir()) == []
