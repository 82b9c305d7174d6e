"""The audit log over the API: who changed what, and who read a recording."""

from typing import Any

import httpx2
import pytest

from retold.app import App
from retold.domain.api_key import NewKey
from retold.domain.scopes import Scope
from retold.ids import DEFAULT_ORG_ID, OrgId
from retold.storage.files import folder_of
from support.stored import make_record

pytestmark = pytest.mark.anyio

LLM = {"type": "custom-llm", "llm_websocket_url": "wss://llm.example/socket?key=canary"}


async def log_of(api: httpx2.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await api.get("/list-audit-log", params=query)
    assert answer.status_code == 200, answer.text
    assert "canary" not in answer.text
    return answer.json()["items"]


async def test_a_change_is_told_with_the_key_that_made_it(app: App, api: httpx2.AsyncClient) -> None:
    made = (await api.post("/create-agent", json={"voice_id": "default", "response_engine": LLM})).json()
    agent_id = made["agent_id"]
    await api.patch(f"/update-agent/{agent_id}", json={"agent_name": "Bea"})
    await api.delete(f"/delete-agent/{agent_id}")
    (key, *_) = await app.store.keys.list_all(DEFAULT_ORG_ID)
    found = await log_of(api, object_id=agent_id, sort_order="ascending")
    assert [entry["act"] for entry in found] == ["create", "update", "delete"]
    for entry in found:
        assert entry["actor"]["kind"] == "api_key"
        assert entry["actor"]["name"] == key.api_key_id
        assert entry["actor"]["ip"] == "127.0.0.1"
    assert found[1]["changes"] == {"version 0.agent_name": [None, "Bea"]}
    assert (await app.store.audit_log.verify(DEFAULT_ORG_ID)).is_good


async def test_a_repeated_request_is_told_once(api: httpx2.AsyncClient) -> None:
    body, headers = {"voice_id": "default", "response_engine": LLM}, {"Idempotency-Key": "once"}
    first, again = [(await api.post("/create-agent", json=body, headers=headers)).json() for _ in range(2)]
    assert first["agent_id"] == again["agent_id"]
    assert [entry["act"] for entry in await log_of(api, object_id=first["agent_id"])] == ["create"]


async def test_reading_a_recording_is_told_before_it_is_sent(app: App, api: httpx2.AsyncClient) -> None:
    record = make_record()
    await app.store.create_call(record)
    folder = folder_of(app.settings.data_dir, record.files_token)
    folder.mkdir(parents=True)
    (folder / "recording.wav").write_bytes(b"sound")
    address = f"/files/{record.files_token}/recording.wav"
    for _ in range(3):
        # As a player does, without a key.
        part = await api.get(address, headers={"Authorization": "", "Range": "bytes=0-1"})
        assert (part.status_code, part.content) == (206, b"so")
    (entry,) = await log_of(api, object_id=record.call.call_id)
    assert (entry["act"], entry["object_type"], entry["actor"]["kind"]) == ("read", "call", "address")
    assert entry["changes"] == {"file": [None, "recording.wav"]}


async def test_only_a_key_that_may_see_keys_may_see_the_log(app: App, api: httpx2.AsyncClient) -> None:
    secret = "key_reader_0123456789abcdef"
    await app.store.keys.create(DEFAULT_ORG_ID, secret, NewKey(scopes=(Scope.READ,)))
    refused = await api.get("/list-audit-log", headers={"Authorization": f"Bearer {secret}"})
    assert refused.status_code == 403


async def test_an_organisation_sees_its_own_log_only(app: App, api: httpx2.AsyncClient) -> None:
    secret = "key_other_0123456789abcdef0"
    await app.store.keys.create(OrgId("org_other"), secret, NewKey(api_key_name="theirs"))
    own, theirs = await log_of(api), await api.get("/list-audit-log", headers={"Authorization": f"Bearer {secret}"})
    assert "theirs" not in str(own)
    assert [entry["object_type"] for entry in theirs.json()["items"]] == ["api_key"]
