"""Backups: made beside a store that is at work, of either kind of database, and restored into either kind."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from retold.clock import SystemClock
from retold.domain.call import CallRecord
from retold.domain.erasure import ErasureKind
from retold.domain.reasons import CallStatus
from retold.errors import BackupRefused, StorageError
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage.backup.archive import SUMS
from retold.storage.backup.make import Made, Source, back_up
from retold.storage.backup.restore import check_backup, restore
from retold.storage.files import folder_of
from retold.storage.lock import RESTORING, folder_lock
from retold.storage.postgres import PostgresBackend
from retold.storage.store import Store, with_call
from support.patience import PATIENCE_S
from support.postgres import PostgresServer
from support.stored import make_agent, make_record

pytestmark = pytest.mark.anyio

MASTER_KEY = "ab" * 32
SOUND = bytes(range(256)) * 4_000
"""Longer than what is read at a time."""


def tell_nobody(what: str, done: int, total: int | None) -> None:
    """Nobody asks how far it is."""


async def opened(folder: Path, url: str | None) -> Store:
    store = await Store.open(
        folder, clock=SystemClock(), database_url=url, ballast_bytes=4096, master_key=MASTER_KEY, min_free_bytes=0
    )
    await store.owners.hold()
    return store


async def ended_call(store: Store, sound: bytes = SOUND) -> CallRecord:
    """A call with a recording, as the server leaves it."""
    record = make_record(call_status="ended", metadata={"who": "Anna", "is_vip": True, "size": 2.5})
    folder = folder_of(store.data_dir, record.files_token)
    folder.mkdir(parents=True)
    (folder / "recording.wav").write_bytes(sound)
    (folder / ".recording.wav.part").write_bytes(b"half")
    recorded = with_call(record, recording_url=f"/files/{record.files_token}/recording.wav", transcript="Agent: Hi.\n")
    await store.create_call(recorded)
    return recorded


async def running_call(store: Store, sound: bytes = SOUND) -> CallRecord:
    record = make_record()
    await store.create_call(record)
    await store.start_call(CallId(record.call.call_id), 1)
    spool = store.data_dir / "spool"
    spool.mkdir(exist_ok=True)
    (spool / f"{record.call.call_id}.caller.pcm").write_bytes(sound)
    return record


async def erase(store: Store, record: CallRecord) -> None:
    proof = await store.erasures.begin(DEFAULT_ORG_ID, ErasureKind.CALL)
    await store.erasures.erase(DEFAULT_ORG_ID, [CallId(record.call.call_id)], proof)


async def made(folder: Path, url: str | None, target: Path, tell: Callable[..., None] = tell_nobody) -> Made:
    source = Source(data_dir=folder, database_url=url)
    return await anyio.to_thread.run_sync(lambda: back_up(source, target, clock=SystemClock(), tell=tell))


async def restored(backup: Path, folder: Path, url: str | None = None) -> Store:
    await anyio.to_thread.run_sync(restore, backup, folder, url, tell_nobody)
    return await opened(folder, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, postgres: PostgresServer) -> str | None:
    """Where the restored rows are to be."""
    return None if request.param == "sqlite" else postgres.new_database()


async def test_everything_acknowledged_is_restored_from_either_database_into_either(
    tmp_path: Path, database_url: str | None, other_url: str | None
) -> None:
    store = await opened(tmp_path / "old", database_url)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    await store.agents.save(DEFAULT_ORG_ID, make_agent())
    over, going_on = await ended_call(store), await running_call(store)
    journal = store.journal(CallId(going_on.call.call_id))
    journal.append(1, 20.0, b"an event")
    await journal.committed()

    backup = await made(tmp_path / "old", database_url, tmp_path)
    later = await ended_call(store)
    await store.close()
    other = await restored(backup.path, tmp_path / "new", other_url)
    try:
        assert (backup.calls, backup.running_calls, backup.files, backup.lost_files) == (2, 1, 1, 0)
        assert await other.find_call(None, CallId(over.call.call_id)) == over
        assert await other.find_call(None, CallId(later.call.call_id)) is None
        assert [one.call.call_id for one in await other.unfinished_calls()] == [going_on.call.call_id]
        assert await other.read_journal(CallId(going_on.call.call_id)) == [b"an event"]
        assert (tmp_path / "new" / "spool" / f"{going_on.call.call_id}.caller.pcm").read_bytes() == SOUND
        files = folder_of(tmp_path / "new", over.files_token)
        assert {path.name: path.read_bytes() for path in files.iterdir()} == {"recording.wav": SOUND}
        # Rows are numbered on behind those that were restored.
        await other.create_call(make_record())
        assert await other.keys.webhook_secret(DEFAULT_ORG_ID) is None
        assert await other.agents.find(DEFAULT_ORG_ID, "agent_test") is not None
    finally:
        await other.close()


async def test_calls_that_begin_and_end_meanwhile_are_of_one_moment(tmp_path: Path) -> None:
    store = await opened(tmp_path / "old", None)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    going_on = await running_call(store)
    gone = await ended_call(store)
    # The rows are copied in several steps.
    rows = [with_call(make_record(call_status="ended"), transcript=str(n) * 20_000) for n in range(10)]
    for record in rows:
        await store.create_call(with_call(record, metadata={f"key_{n}": "x" * 20_000 for n in range(25)}))
    moment = anyio.Event()

    def tell(what: str, done: int, total: int | None) -> None:
        if not moment.is_set():
            anyio.from_thread.run_sync(moment.set)
            anyio.from_thread.run(change)

    async def change() -> None:
        await store.finish_call(with_call(going_on, call_status=CallStatus.ENDED))
        (tmp_path / "old" / "spool" / f"{going_on.call.call_id}.caller.pcm").unlink()
        for path in folder_of(tmp_path / "old", gone.files_token).iterdir():
            path.unlink()
        await erase(store, gone)
        await ended_call(store)

    backup = await made(tmp_path / "old", None, tmp_path, tell)
    await store.close()
    other = await restored(backup.path, tmp_path / "new")
    try:
        assert moment.is_set()
        assert backup.calls == 12
        assert [one.call.call_id for one in await other.unfinished_calls()] == [going_on.call.call_id]
        assert (tmp_path / "new" / "spool" / f"{going_on.call.call_id}.caller.pcm").read_bytes() == SOUND
        assert not (tmp_path / "new" / "files").exists()
    finally:
        await other.close()


async def test_erasing_does_not_make_others_wait_for_a_backup(tmp_path: Path) -> None:
    store = await opened(tmp_path / "old", None)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    erased = [await ended_call(store) for _ in range(3)]

    async def change() -> None:
        for record in erased:
            await erase(store, record)
        for _ in range(100):
            await store.create_call(make_record())

    def tell(what: str, done: int, total: int | None) -> None:
        if what == "rows":
            anyio.from_thread.run(change)

    # Were each write to wait for the reader, as SQLite would for five seconds, the last would give up.
    with anyio.fail_after(PATIENCE_S):
        await made(tmp_path / "old", None, tmp_path, tell)
    await store.close()


async def test_a_stopped_server_that_was_killed_is_backed_up_with_its_log(tmp_path: Path) -> None:
    store = await opened(tmp_path / "live", None)
    await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
    record = await ended_call(store)
    # What a kill leaves: the last rows are in the log alone.
    (tmp_path / "old").mkdir()
    for name in ("retold.db", "retold.db-wal"):
        (tmp_path / "old" / name).write_bytes((tmp_path / "live" / name).read_bytes())
    await store.close()

    backup = await made(tmp_path / "old", None, tmp_path / "backup.tar")
    other = await restored(backup.path, tmp_path / "new")
    assert await other.find_call(None, CallId(record.call.call_id)) == record
    await other.close()


# --- what is refused ---


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A small one that is not compressed, so that a test can reach into it."""

    async def one_call() -> None:
        store = await opened(tmp_path / "old", None)
        await store.keys.create(DEFAULT_ORG_ID, "key_of_this_test")
        await ended_call(store, b"a recording of some length" * 100)
        await store.close()

    anyio.run(one_call)
    source = Source(data_dir=tmp_path / "old")
    return back_up(source, tmp_path / "backup.tar", clock=SystemClock(), tell=tell_nobody).path


def refusal(backup: Path, folder: Path) -> str:
    """Why a backup is not restored; nothing is left of the try."""
    with pytest.raises(BackupRefused) as checked:
        check_backup(backup, tell_nobody)
    with pytest.raises(BackupRefused) as tried:
        restore(backup, folder, None, tell_nobody)
    assert not folder.exists()
    assert str(checked.value) == str(tried.value)
    return str(tried.value)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.99])
def test_a_backup_that_is_cut_off_is_refused(tmp_path: Path, backup: Path, kept: float) -> None:
    whole = backup.read_bytes()
    # Behind the last file, a tar has nothing but zeros.
    end = whole.rindex(b"recording.wav\n") + len(b"recording.wav\n")
    backup.write_bytes(whole[: int(end * kept)])
    assert str(backup) in refusal(backup, tmp_path / "new")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_compressed_backup_that_is_cut_off_is_refused(tmp_path: Path, backup: Path, kept: float) -> None:
    packed = gzip.compress(backup.read_bytes())
    backup.write_bytes(packed[: int(len(packed) * kept)])
    assert str(backup) in refusal(backup, tmp_path / "new")


@pytest.mark.parametrize("where", [b"a recording of some length", b"SQLite format 3", b'"made_by": "'])
def test_a_backup_that_was_altered_is_refused(tmp_path: Path, backup: Path, where: bytes) -> None:
    whole = bytearray(backup.read_bytes())
    whole[whole.index(where) + len(where)] ^= 1
    backup.write_bytes(whole)
    assert "damaged" in refusal(backup, tmp_path / "new")


def test_a_backup_that_lacks_a_file_or_holds_another_is_refused(tmp_path: Path, backup: Path) -> None:
    with tarfile.open(backup) as tar:
        members = [(info, tar.extractfile(info)) for info in tar]
        contents = [(info.name, file.read()) for info, file in members if file is not None]

    def written(files: list[tuple[str, bytes]]) -> Path:
        path = tmp_path / "made.tar"
        with tarfile.open(path, "w") as tar:
            for name, content in files:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    recording = next(name for name, _ in contents if name.endswith(".wav"))
    assert "is damaged" in refusal(written([one for one in contents if one[0] != recording]), tmp_path / "new")
    assert "cut off" in refusal(written([one for one in contents if one[0] != SUMS]), tmp_path / "new")
    outside = [*contents[:1], ("../outside", b"x"), *contents[1:]]
    assert "no backup of Retold" in refusal(written(outside), tmp_path / "new")
    assert "no backup of Retold" in refusal(written(contents[1:]), tmp_path / "new")
    newer = json.dumps({**json.loads(contents[0][1]), "form": 2}).encode()
    assert "newer" in refusal(written([(contents[0][0], newer), *contents[1:]]), tmp_path / "new")


def test_a_folder_with_anything_in_it_is_not_restored_into(tmp_path: Path, backup: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "note").touch()
    with pytest.raises(BackupRefused, match="not empty"):
        restore(backup, tmp_path / "taken", None, tell_nobody)
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["note"]


def test_an_empty_folder_is_restored_into(tmp_path: Path, backup: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert restore(backup, tmp_path / "empty", None, tell_nobody).calls == 1
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["files", "retold.db"]


def test_no_server_starts_on_a_folder_that_is_half_restored(tmp_path: Path) -> None:
    (tmp_path / RESTORING).mkdir()
    with pytest.raises(StorageError, match="not yet restored"), folder_lock(tmp_path):
        pass


def test_a_database_that_is_in_use_is_not_restored_into(tmp_path: Path, backup: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    backend = PostgresBackend(url)
    backend.close(*backend.open())
    with pytest.raises(BackupRefused, match="in use"):
        restore(backup, tmp_path / "new", url, tell_nobody)
    assert not (tmp_path / "new").exists()


def test_what_is_not_there_is_not_backed_up(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(BackupRefused, match="data folder"):
            back_up(Source(data_dir=folder), tmp_path / "backup.tar", clock=SystemClock(), tell=tell_nobody)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_overwritten_by_a_backup(tmp_path: Path, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(BackupRefused, match="there already"):
        back_up(Source(data_dir=tmp_path / "old"), backup, clock=SystemClock(), tell=tell_nobody)
    assert backup.read_bytes() == before


def test_a_backup_that_cannot_be_finished_leaves_nothing(tmp_path: Path, backup: Path) -> None:
    def fail(what: str, done: int, total: int | None) -> None:
        if what == "files":
            raise OSError("made to fail")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="made to fail"):
        back_up(Source(data_dir=tmp_path / "old"), tmp_path / "two.tar.gz", clock=SystemClock(), tell=fail)
    assert sorted(tmp_path.iterdir()) == before


def test_the_master_key_is_in_it_only_when_asked_for(tmp_path: Path, backup: Path) -> None:
    source = Source(data_dir=tmp_path / "old", master_key=MASTER_KEY)
    with_key = back_up(source, tmp_path / "key.tar.gz", clock=SystemClock(), tell=tell_nobody).path
    assert restore(with_key, tmp_path / "with", None, tell_nobody).has_master_key
    assert (tmp_path / "with" / "master.key").read_text() == MASTER_KEY
    assert not restore(backup, tmp_path / "without", None, tell_nobody).has_master_key
    assert not (tmp_path / "without" / "master.key").exists()
