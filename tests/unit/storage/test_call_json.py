"""The stored text of a call holds what the API shows of it."""

import gc
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.call import CallRecord
from retold.ids import new_path_token
from retold.storage.call_json import StoredCall, call_json, list_json, record_of, stored_call
from retold.storage.file_links import FileLinks, UrlSigner
from support.stored import BORN_MS, make_record

BASE = "https://voice.example.com"
SIGNER = UrlSigner(lambda: b"k" * 32)
LINKS = FileLinks(BASE, SIGNER, BORN_MS)
FILES = {
    "recording_url": "recording.wav",
    "recording_multi_channel_url": "recording_multi_channel.wav",
    "public_log_url": "public_log.txt",
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from([',"org_id":', '"', '"}'])


def finished(**changes: Any) -> CallRecord:
    record = make_record(**changes)
    urls = {field: f"/files/{record.files_token}/{name}" for field, name in FILES.items()}
    return record.model_copy(update={"call": record.call.model_copy(update=urls)})


@given(st.dictionaries(TEXT, TEXT | st.none() | st.integers(), max_size=3), TEXT)
def test_a_stored_call_is_sent_as_it_is_on_the_wire(metadata: dict[str, Any], words: str) -> None:
    record = finished(metadata=metadata, transcript=words, transcript_object=[{"role": "user", "content": words}])
    sent = json.loads(call_json(stored_call(record), LINKS).text)
    urls = {field: f"{BASE}/files/{record.files_token}/{name}" for field, name in FILES.items()}
    assert sent == {**record.call.wire(), **urls}


def test_addresses_of_a_call_that_asked_for_it_are_signed_anew_at_each_reading() -> None:
    plain = finished()
    record = plain.model_copy(update={"files_token": new_path_token(is_signed=True), "signed_url_expiration_ms": 5_000})
    paths = {field: f"/files/{record.files_token}/{name}" for field, name in FILES.items()}
    record = record.model_copy(update={"call": record.call.model_copy(update=paths)})
    for now_ms in (BORN_MS, BORN_MS + 1):
        sent = json.loads(call_json(stored_call(record), FileLinks(BASE, SIGNER, now_ms)).text)
        for field, path in paths.items():
            address, _, query = sent.pop(field).partition("?")
            assert address == BASE + path
            end, signature = query.removeprefix("exp=").split("&sig=")
            assert int(end) == now_ms + 5_000
            assert SIGNER.is_good(path, {"exp": end, "sig": signature}, int(end) - 1)
        assert sent == {name: value for name, value in record.call.wire().items() if name not in paths}


def test_addresses_that_a_user_wrote_are_left_alone() -> None:
    mine = {"recording_url": "/files/mine/recording.wav", "org_id": "x"}
    sent = json.loads(call_json(stored_call(finished(metadata=mine)), LINKS).text)
    assert sent["metadata"] == mine


def test_a_hostile_host_name_stays_inside_its_text() -> None:
    sent = json.loads(call_json(stored_call(finished()), FileLinks('http://a","call_id":"b', SIGNER, 0)).text)
    assert sent["recording_url"].startswith('http://a","call_id":"b/files/')
    assert sent["call_id"] != "b"


def test_what_stands_beside_the_call_is_known() -> None:
    record = make_record()
    assert call_json(stored_call(record), LINKS).rest["audio"] == record.audio.model_dump()


def test_another_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not a stored call"):
        call_json(StoredCall('{"org_id":"a"}', None), LINKS)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_a_list_is_one_json_array_in_blocks(count: int) -> None:
    records = [make_record(transcript="word " * 30_000) for _ in range(count)]
    blocks = list_json(map(stored_call, records), LINKS)
    assert json.loads(b"".join(blocks)) == [record.call.wire() for record in records]
    assert all(len(block) < 600_000 for block in blocks)


def test_what_was_stored_is_read_again() -> None:
    record = finished(transcript="User: ja\n", transcript_object=[{"role": "user", "content": "ja"}])
    assert record_of(stored_call(record)) == record


def test_transcripts_are_stored_apart() -> None:
    stored = stored_call(make_record(transcript="User: a secret\n", metadata={"transcript": "mine"}))
    assert "a secret" not in stored.body
    assert "mine" in stored.body
    assert stored_call(make_record()).transcripts is None


def test_nothing_of_a_call_that_was_read_stays_in_memory() -> None:
    def read(numbers: range) -> None:
        for number in numbers:
            record_of(stored_call(make_record(metadata={"order": f"order {number}"})))

    read(range(50))
    gc.collect()
    before = sys.getallocatedblocks()
    read(range(50, 1050))
    gc.collect()
    assert sys.getallocatedblocks() - before < 500
