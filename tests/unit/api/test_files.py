"""Recordings and logs behind a path that cannot be guessed."""

import gzip
from collections.abc import Callable

import httpx2
import pytest

from retold.app import App
from retold.settings import Settings
from retold.storage.disk import Disk
from retold.storage.file_links import UrlSigner
from retold.storage.recordings import Recording
from retold.storage.tape import Recorder, SpoolTape
from retold.storage.unstored_recording import UnstoredRecording
from support.stored import make_record

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef" * 2
OTHER_TOKEN = "fedcba9876543210" * 2
SIGNED_TOKEN = f"s{TOKEN[1:]}"
WAV = bytes(range(256)) * 4
LOG = "call connected\nagent said: Grüß Gott\n" * 20


@pytest.fixture(autouse=True)
def files(settings: Settings) -> None:
    folder = settings.data_dir / "files" / TOKEN
    folder.mkdir(parents=True)
    (folder / "recording.wav").write_bytes(WAV)
    (folder / "public_log.txt.gz").write_bytes(gzip.compress(LOG.encode()))
    (folder / "secret.txt").write_text("not for you")


async def test_a_recording_is_fetched_without_a_key(api: httpx2.AsyncClient) -> None:
    answer = await api.get(f"/files/{TOKEN}/recording.wav", headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "audio/wav", WAV)
    assert answer.headers["accept-ranges"] == "bytes"
    assert "no-store" in answer.headers["cache-control"]


async def test_the_compressed_log_comes_as_text(api: httpx2.AsyncClient) -> None:
    answer = await api.get(f"/files/{TOKEN}/public_log.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == LOG


@pytest.mark.parametrize(
    ("name", "content"), [("recording.wav", WAV), ("public_log.txt", LOG.encode())], ids=["file", "compressed"]
)
@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-10", 206, slice(-10, None)),
        ("bytes=5-999999", 206, slice(5, None)),
        ("bytes=-999999", 206, slice(0, None)),
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=999999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=9-5", 200, slice(None)),
        ("bytes=a-b", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("lines=0-1", 200, slice(None)),
    ],
)
async def test_a_range_is_served(
    api: httpx2.AsyncClient, name: str, content: bytes, asked: str, status: int, part: slice | None
) -> None:
    answer = await api.get(f"/files/{TOKEN}/{name}", headers={"Range": asked})
    assert answer.status_code == status
    if part is None:
        assert answer.headers["content-range"] == f"bytes */{len(content)}"
        assert answer.json()["status"] == "error"
        return
    assert answer.content == content[part]
    if status == 206:
        start, stop, _ = part.indices(len(content))
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(content)}"


@pytest.fixture
def signed(app: App, settings: Settings) -> Callable[[int], str]:
    """Gives the address of the recording of a call with signed addresses, served for so many milliseconds from now."""
    folder = settings.data_dir / "files" / SIGNED_TOKEN
    folder.mkdir(parents=True)
    (folder / "recording.wav").write_bytes(WAV)
    (folder / "recording_multi_channel.wav").write_bytes(WAV)

    def address(left_ms: int) -> str:
        path = f"/files/{SIGNED_TOKEN}/recording.wav"
        deps = app.context.deps
        return path + deps.store.url_signer.query(path, deps.clock.wall_ms() + left_ms)

    return address


async def test_a_signed_address_is_served_whole_and_in_ranges(
    api: httpx2.AsyncClient, signed: Callable[[int], str]
) -> None:
    url = signed(3_600_000)
    whole = await api.get(url, headers={"Authorization": ""})
    assert (whole.status_code, whole.content) == (200, WAV)
    part = await api.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, WAV[10:20])
    assert (await api.head(url)).status_code == 200


SPOILT: dict[str, Callable[[str], str]] = {
    "no query": lambda url: url.partition("?")[0],
    "another file": lambda url: url.replace("recording.wav", "recording_multi_channel.wav"),
    "another call": lambda url: url.replace(SIGNED_TOKEN, SIGNED_TOKEN[:-1] + "0"),
    "a later end": lambda url: url.replace("exp=", "exp=1"),
    "an end below zero": lambda url: url.replace("exp=", "exp=-"),
    "an endless end": lambda url: url.replace("exp=", "exp=99999999999999999999"),
    "another signature": lambda url: url[:-2] + ("AA" if url[-2:] != "AA" else "BB"),
    "a signature that is none": lambda url: url.partition("&sig=")[0] + "&sig=%C3%A9",
    "no signature": lambda url: url.partition("&sig=")[0],
}


@pytest.mark.parametrize("spoilt", list(SPOILT.values()), ids=list(SPOILT))
async def test_a_changed_address_is_refused(
    api: httpx2.AsyncClient, signed: Callable[[int], str], spoilt: Callable[[str], str]
) -> None:
    answer = await api.get(spoilt(signed(3_600_000)))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_an_address_whose_time_is_over_is_refused(api: httpx2.AsyncClient, signed: Callable[[int], str]) -> None:
    assert (await api.get(signed(0))).status_code == 403


@pytest.mark.parametrize(("now_ms", "is_good"), [(999, True), (1_000, False)])
def test_a_signature_ends_to_the_millisecond(now_ms: int, is_good: bool) -> None:
    signer = UrlSigner(lambda: b"k" * 32)
    query = dict(part.split("=", 1) for part in signer.query("/files/a/b", 1_000).removeprefix("?").split("&"))
    assert signer.is_good("/files/a/b", query, now_ms) is is_good
    assert not UrlSigner(lambda: b"x" * 32).is_good("/files/a/b", query, 0)


@pytest.mark.parametrize(("name", "size"), [("recording.wav", len(WAV)), ("public_log.txt", len(LOG.encode()))])
async def test_head_tells_the_length_and_sends_nothing(api: httpx2.AsyncClient, name: str, size: int) -> None:
    answer = await api.head(f"/files/{TOKEN}/{name}")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(size), b"")


@pytest.mark.parametrize(
    "path",
    [
        f"/files/{TOKEN}/recording_multi_channel.wav",
        f"/files/{TOKEN}/secret.txt",
        f"/files/{TOKEN}/public_log.txt.gz",
        f"/files/{TOKEN}/..%2Frecording.wav",
        f"/files/{'f' * 32}/recording.wav",
        "/files/../recording.wav",
        f"/files/..%2F{TOKEN}/recording.wav",
        f"/files/{TOKEN}",
        "/files/",
    ],
)
async def test_nothing_else_is_served(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert answer.json()["status"] == "error"


@pytest.fixture
def unstored(app: App, settings: Settings) -> bytes:
    """What the recording of a call that may not be stored holds; it lies under `OTHER_TOKEN`."""
    folder = settings.data_dir / "unstored"
    tape = SpoolTape(Recorder(folder), folder, "call_1", is_sealed=True)
    sound = bytes(range(256)) * 200
    tape.write_caller(0, sound)
    tape.flush(Disk(), is_last=True)
    assert tape.sealed is not None
    recording = UnstoredRecording(Recording("call_1", 8_000, 2_000), *tape.sealed)
    record = make_record(call_id="call_1").model_copy(update={"files_token": OTHER_TOKEN})
    app.context.deps.archive.unstored.put(record, recording)
    return sound[: 2 * 16_000]


async def test_a_recording_that_is_not_stored_is_served_like_one_that_is(
    api: httpx2.AsyncClient, unstored: bytes
) -> None:
    url = f"/files/{OTHER_TOKEN}/recording.wav"
    whole = await api.get(url)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "audio/wav")
    assert whole.content[44:] == unstored
    for asked, part in (
        ("bytes=0-9", slice(0, 10)),
        ("bytes=20000-30000", slice(20_000, 30_001)),
        ("bytes=-7", slice(-7, None)),
    ):
        answer = await api.get(url, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, whole.content[part])
    head = await api.head(url)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
    assert (await api.get(url, headers={"Range": "bytes=999999-"})).status_code == 416
    assert (await api.get(f"/files/{OTHER_TOKEN}/public_log.txt")).status_code == 404


async def test_a_recording_that_is_not_stored_is_gone_with_its_call(
    app: App, api: httpx2.AsyncClient, unstored: bytes
) -> None:
    assert unstored
    app.context.deps.archive.unstored.forget("call_1")
    assert (await api.get(f"/files/{OTHER_TOKEN}/recording.wav")).status_code == 404


async def test_reading_a_recording_that_is_not_stored_is_told_too(api: httpx2.AsyncClient, unstored: bytes) -> None:
    assert unstored
    for _ in range(2):
        await api.get(f"/files/{OTHER_TOKEN}/recording.wav", headers={"Range": "bytes=0-9"})
    told = (await api.get("/list-audit-log", params={"object_id": "call_1"})).json()["items"]
    assert [(entry["act"], entry["object_type"]) for entry in told] == [("read", "call")]
