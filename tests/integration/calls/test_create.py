from pathlib import Path
from typing import Any

import pytest

from retold.calls.create import CallDetails, register_call
from retold.domain.call import CallAudio
from retold.errors import InvalidRequest, Unavailable
from retold.ids import DEFAULT_ORG_ID, CallId
from support.call_house import open_house
from support.stored import BORN_MS, FaultyDisk, make_agent

pytestmark = pytest.mark.anyio


async def test_a_web_call_is_registered_with_what_agent_and_request_say(tmp_path: Path) -> None:
    agent = make_agent(version=3, agent_name="Ada", opt_out_sensitive_data_storage=True)
    async with open_house(tmp_path, agent=agent) as house:
        record = await house.create(metadata={"a": [1]}, dynamic_variables={"name": "Bo"})
        assert await house.store.find_call(DEFAULT_ORG_ID, CallId(record.call.call_id)) == record
    shape = record.call.wire()
    assert len(shape.pop("access_token")) >= 43
    assert shape == {
        "call_type": "web_call",
        "call_id": record.call.call_id,
        "agent_id": "agent_test",
        "agent_version": 3,
        "agent_name": "Ada",
        "call_status": "registered",
        "metadata": {"a": [1]},
        "retell_llm_dynamic_variables": {"name": "Bo"},
        "data_storage_setting": "everything",
        "opt_out_sensitive_data_storage": True,
        "opt_in_signed_url": False,
    }
    assert record.join_deadline_wall_ms == BORN_MS + 30_000


@pytest.mark.parametrize(("is_signed", "kept_ms"), [(True, 60_000), (False, None)])
async def test_a_call_takes_signed_addresses_over_from_its_agent(
    tmp_path: Path, is_signed: bool, kept_ms: int | None
) -> None:
    agent = make_agent(opt_in_signed_url=is_signed, signed_url_expiration_ms=60_000)
    async with open_house(tmp_path, agent=agent) as house:
        record = await house.create()
    assert record.call.opt_in_signed_url is is_signed
    assert record.signed_url_expiration_ms == kept_ms
    assert record.files_token.startswith("s") is is_signed


async def test_a_v1_call_keeps_its_audio_and_its_own_silence(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        audio = CallAudio(encoding="mulaw", sample_rate=8000)
        details = CallDetails(from_number="+1", to_number="+2", end_call_after_silence_ms=12_000)
        record = await register_call(house.deps, DEFAULT_ORG_ID, house.agent, audio, details)
        plain = await register_call(house.deps, DEFAULT_ORG_ID, house.agent, CallAudio())
    assert (record.audio, record.end_call_after_silence_ms) == (audio, 12_000)
    assert (record.call.from_number, record.call.to_number) == ("+1", "+2")
    assert (plain.call.call_type, plain.call.direction) == ("web_call", None)
    assert record.join_deadline_wall_ms == BORN_MS + 300_000
    assert record.is_registered_phone_call


@pytest.mark.parametrize("language", ["de-DE", ["en-US", "es-ES"], "multi"], ids=str)
async def test_a_language_we_cannot_hear_is_refused_by_name(tmp_path: Path, language: Any) -> None:
    async with open_house(tmp_path, agent=make_agent(language=language)) as house:
        with pytest.raises(InvalidRequest, match="hears only: en") as refused:
            await house.create()
        assert refused.value.field == "agent_id"
        assert await house.store.unfinished_calls() == []


@pytest.mark.parametrize(("size", "is_taken"), [(49_980, True), (50_001, False)])
async def test_metadata_is_taken_up_to_50_kb(tmp_path: Path, size: int, is_taken: bool) -> None:
    async with open_house(tmp_path) as house:
        metadata = {"x": "y" * (size - len('{"x":""}'))}
        if is_taken:
            await house.create(metadata=metadata)
        else:
            with pytest.raises(InvalidRequest, match="50000") as refused:
                await house.create(metadata=metadata)
            assert refused.value.field == "metadata"


async def test_a_draining_server_takes_no_calls(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.live.drain()
        with pytest.raises(Unavailable, match="draining"):
            await house.create()


async def test_a_broken_disk_takes_no_calls(tmp_path: Path) -> None:
    is_broken = False
    disk = FaultyDisk(lambda _number, operation: is_broken and operation == "commit")
    async with open_house(tmp_path, disk=disk) as house:
        is_broken = True
        with pytest.raises(Unavailable, match="cannot keep"):
            await house.create()
        with pytest.raises(Unavailable, match="broken"):
            await house.create()
        assert await house.store.unfinished_calls() == []
        assert await house.store.find_call(None, CallId("call_x")) is None
