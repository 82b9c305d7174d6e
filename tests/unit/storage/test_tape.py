import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.audio.wav import HEADER_BYTES
from retold.domain.pii.transcript import Muted, MutedByRole
from retold.storage.disk import Disk
from retold.storage.recordings import MULTI_CHANNEL, RECORDING, SCRUBBED, SCRUBBED_MULTI_CHANNEL, Recording, encode
from retold.storage.tape import MAX_PENDING_BYTES, Recorder, SpoolTape, spool_path, spooled_samples
from support.stored import FaultyDisk

CALL = "call_1"
RATE = 8_000


def make_tape(folder: Path) -> SpoolTape:
    folder.mkdir(parents=True, exist_ok=True)
    return SpoolTape(Recorder(folder), folder, CALL)


def encoded(spool: Path, target: Path, samples: int) -> tuple[np.ndarray, np.ndarray]:
    encode(Recording(CALL, RATE, samples * 1000 // RATE), spool, target, Disk())
    mono = np.frombuffer((target / RECORDING).read_bytes()[HEADER_BYTES:], dtype="<i2")
    both = np.frombuffer((target / MULTI_CHANNEL).read_bytes()[HEADER_BYTES:], dtype="<i2")
    return mono, both.reshape(-1, 2)


pieces = st.lists(
    st.tuples(
        st.sampled_from(["caller", "agent", "flush"]),
        st.integers(0, 3_000),
        st.integers(1, 400),
        st.integers(-20_000, 20_000),
    ),
    max_size=30,
)


@given(pieces)
def test_recordings_equal_what_was_laid_at_each_position(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, int, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("tape")
    tape = make_tape(folder / "spool")
    model = np.zeros((4_000, 2), dtype=np.int32)
    for channel, start, count, value in written:
        pcm = np.full(count, value, dtype="<i2").tobytes()
        if channel == "flush":
            tape.flush(Disk())
        elif channel == "caller":
            tape.write_caller(start, pcm)
            model[start : start + count, 0] = value
        else:
            tape.write_agent(start, pcm)
            model[start : start + count, 1] = value
    tape.flush(Disk(), is_last=True)
    mono, both = encoded(folder / "spool", folder / "files", 4_000)
    assert (both == model).all()
    assert (mono == np.clip(model.sum(axis=1), -32768, 32767)).all()
    assert tape.is_complete


@pytest.mark.parametrize("duration_ms", [0, 1, 333, 1000, 61_234], ids=str)
def test_recordings_have_exactly_the_length_of_the_call(tmp_path: Path, duration_ms: int) -> None:
    tape = make_tape(tmp_path / "spool")
    tape.write_caller(0, bytes(2 * RATE))
    tape.flush(Disk(), is_last=True)
    encode(Recording(CALL, 24_000, duration_ms), tmp_path / "spool", tmp_path / "files", Disk())
    samples = round(duration_ms * 24)
    assert (tmp_path / "files" / RECORDING).stat().st_size == HEADER_BYTES + 2 * samples
    assert (tmp_path / "files" / MULTI_CHANNEL).stat().st_size == HEADER_BYTES + 4 * samples


def test_encoding_again_gives_the_same_bytes(tmp_path: Path) -> None:
    tape = make_tape(tmp_path / "spool")
    tape.write_agent(100, b"\x01\x02" * 3_000)
    tape.flush(Disk(), is_last=True)
    for target in ("one", "one", "two"):
        encode(Recording(CALL, RATE, 900), tmp_path / "spool", tmp_path / target, Disk())
    for name in (RECORDING, MULTI_CHANNEL):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted([RECORDING, MULTI_CHANNEL])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["no space", "disk error"])
def test_encoding_that_fails_at_any_operation_leaves_no_scrap(tmp_path: Path, code: int) -> None:
    tape = make_tape(tmp_path / "spool")
    tape.write_caller(0, bytes(2 * RATE))
    tape.flush(Disk(), is_last=True)
    for failing in range(1, 50):
        disk = FaultyDisk(lambda number, _, failing=failing: number == failing, code)
        target = tmp_path / str(failing)
        try:
            encode(Recording(CALL, RATE, 1000), tmp_path / "spool", target, disk)
        except OSError:
            assert list(target.glob(".*")) == []
        else:
            assert len(disk.operations) < failing
            return
    pytest.fail("encoding never came through")


def test_audio_that_the_disk_refuses_flags_the_recording_and_the_rest_is_kept(tmp_path: Path) -> None:
    tape = make_tape(tmp_path / "spool")
    disk = FaultyDisk(lambda number, _: number == 2, errno.ENOSPC)
    for second in range(3):
        tape.write_caller(second * RATE, b"\x05\x00" * RATE)
        tape.flush(disk)
    tape.flush(disk, is_last=True)
    assert not tape.is_complete
    assert tape.dropped_bytes == 2 * RATE
    _, both = encoded(tmp_path / "spool", tmp_path / "files", 3 * RATE)
    assert [int(both[second * RATE + 1, 0]) for second in range(3)] == [5, 0, 5]


def test_a_failed_sync_flags_the_recording(tmp_path: Path) -> None:
    tape = make_tape(tmp_path / "spool")
    tape.write_caller(0, bytes(2))
    tape.flush(FaultyDisk(lambda _, operation: operation == "fsync"), is_last=True)
    assert not tape.is_complete


def test_audio_beyond_the_bound_is_dropped_and_counted(tmp_path: Path) -> None:
    tape = make_tape(tmp_path / "spool")
    tape.write_caller(0, bytes(MAX_PENDING_BYTES))
    tape.write_agent(0, bytes(2))
    assert tape.dropped_bytes == 2
    tape.flush(Disk(), is_last=True)
    tape.write_agent(0, bytes(2))
    assert tape.dropped_bytes == 2


def test_nothing_spooled_is_zero_samples(tmp_path: Path) -> None:
    assert spooled_samples(tmp_path, CALL) == 0


@pytest.mark.anyio
async def test_the_recorder_writes_by_itself_and_a_closed_tape_is_whole(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.open()
    tape = recorder.tape(CALL)
    tape.write_caller(10, b"\x01\x00" * 10)
    await tape.close()
    assert spooled_samples(recorder.folder, CALL) == 20
    assert not spool_path(recorder.folder, CALL, "agent").exists()
    other = recorder.tape("call_2")
    other.write_agent(0, b"\x01\x00" * 10)
    await recorder.close()
    assert spooled_samples(recorder.folder, "call_2") == 10


def scrubbed_recordings(folder: Path, muted: MutedByRole) -> tuple[np.ndarray, np.ndarray]:
    """Both scrubbed recordings of three seconds in which the caller sounds at 1000 and the agent at 300."""
    tape = make_tape(folder / "spool")
    tape.write_caller(0, np.full(3 * RATE, 1000, dtype="<i2").tobytes())
    tape.write_agent(0, np.full(3 * RATE, 300, dtype="<i2").tobytes())
    tape.flush(Disk(), is_last=True)
    encode(Recording(CALL, RATE, 3_000, muted), folder / "spool", folder / "files", Disk())
    mono = np.frombuffer((folder / "files" / SCRUBBED).read_bytes()[HEADER_BYTES:], dtype="<i2")
    both = np.frombuffer((folder / "files" / SCRUBBED_MULTI_CHANNEL).read_bytes()[HEADER_BYTES:], dtype="<i2")
    return mono, both.reshape(-1, 2)


def test_who_said_it_is_muted_and_in_the_mix_both_are(tmp_path: Path) -> None:
    # The first stretch reaches over the end of a chunk, the last one over the end of the call.
    muted: MutedByRole = {"user": (Muted(900.0, 1100.0), Muted(2900.0, 9000.0)), "agent": (Muted(0.0, 0.4),)}
    mono, both = scrubbed_recordings(tmp_path, muted)
    caller, agent = np.full(3 * RATE, 1000), np.full(3 * RATE, 300)
    caller[900 * 8 : 1100 * 8] = caller[2900 * 8 :] = 0
    agent[:4] = 0
    assert (both[:, 0] == caller).all()
    assert (both[:, 1] == agent).all()
    assert (mono == np.where((caller == 0) | (agent == 0), 0, 1300)).all()


def test_a_call_without_personal_data_has_its_scrubbed_recordings_too(tmp_path: Path) -> None:
    mono, both = scrubbed_recordings(tmp_path, {"user": (), "agent": ()})
    assert (mono == 1300).all()
    assert (both == [1000, 300]).all()
