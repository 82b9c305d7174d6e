"""Erasing by person and by age: all of it goes, nothing else does, and the proof says so."""

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from retold.calls.create import CallDetails, register_phone_call
from retold.calls.erase import AT_A_TIME, Eraser
from retold.domain.call import CallRecord
from retold.domain.erasure import Erasure, ErasureKind, Person
from retold.ids import DEFAULT_ORG_ID, CallId, OrgId, new_api_key
from support.call_house import CANARY, House, ScriptedSession, open_house, said, talk
from support.database import postgres_url
from support.invariants import check_nothing_left, contains
from support.patience import PATIENCE_S
from support.stored import make_agent

pytestmark = pytest.mark.anyio

DAY_MS = 86_400_000
ANNA = "+14155550101"
BERT = "+14155550102"


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[House]:
    url = postgres_url(tmp_path) if request.param == "postgresql" else None
    async with open_house(tmp_path, database_url=url) as one:
        yield one


def eraser(house: House) -> Eraser:
    return Eraser(house.deps.archive, house.live)


async def phoned(house: House, from_number: str, to_number: str = BERT, **details: Any) -> CallRecord:
    """A call that was held, with files and a journal."""
    house.script = talk(house.clock)
    wanted = CallDetails(from_number=from_number, to_number=to_number, **details)
    return await house.hold(await register_phone_call(house.deps, DEFAULT_ORG_ID, house.agent, wanted))


async def is_there(house: House, record: CallRecord) -> bool:
    has_row = await house.store.find_call(None, CallId(record.call.call_id)) is not None
    has_files = (house.store.data_dir / "files" / record.files_token).exists()
    assert has_row == has_files
    return has_row


async def test_all_calls_of_a_number_go_and_no_others(house: House) -> None:
    mine = [await phoned(house, ANNA), await phoned(house, "+14155550103", ANNA)]
    other = await phoned(house, "+14155550103")
    proof = await eraser(house).person(DEFAULT_ORG_ID, Person(phone_number=" +1 (415) 555-0101"))
    assert [await is_there(house, record) for record in (*mine, other)] == [False, False, True]
    assert proof.is_complete
    assert (proof.kind, proof.erased["calls"], proof.erased["files"]) == (ErasureKind.PERSON, 2, 6)
    assert proof.erased["file_bytes"] > 2 * 2 * 8_000
    names = sorted(record.call.call_id for record in mine)
    assert proof.call_ids_sha256 == hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    assert await house.store.erasures.find(DEFAULT_ORG_ID, proof.erasure_id) == proof
    assert ANNA not in proof.model_dump_json()


async def test_all_calls_with_a_value_in_their_metadata_go(house: House) -> None:
    mine = [await phoned(house, ANNA, metadata={"customer": value}) for value in ("c-7", "c-7")]
    others = [await phoned(house, ANNA, metadata=metadata) for metadata in ({"customer": "c-8"}, {"order": "c-7"})]
    proof = await eraser(house).person(DEFAULT_ORG_ID, Person(metadata_key="customer", metadata_value="c-7"))
    assert [await is_there(house, record) for record in (*mine, *others)] == [False, False, True, True]
    assert proof.person is not None
    assert proof.person["named_by"] == "metadata.customer"


async def test_a_person_is_of_one_organisation(house: House) -> None:
    await house.store.keys.create(OrgId("org_other"), new_api_key())
    record = await phoned(house, ANNA)
    proof = await eraser(house).person(OrgId("org_other"), Person(phone_number=ANNA))
    assert (proof.erased.get("calls", 0), proof.is_complete) == (0, True)
    assert await is_there(house, record)
    assert await house.store.erasures.find(DEFAULT_ORG_ID, proof.erasure_id) is None


async def test_more_calls_than_one_batch_go_too(house: House) -> None:
    for _ in range(AT_A_TIME + 1):
        details = CallDetails(from_number=ANNA, to_number=BERT)
        await register_phone_call(house.deps, DEFAULT_ORG_ID, house.agent, details)
    proof = await eraser(house).person(DEFAULT_ORG_ID, Person(phone_number=ANNA))
    assert (proof.erased["calls"], proof.is_complete) == (AT_A_TIME + 1, True)
    assert await house.store.unfinished_calls() == []


async def test_a_call_that_goes_on_is_ended_and_erased(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, anyio.create_task_group() as tasks:
        is_talking = anyio.Event()

        async def script(session: ScriptedSession) -> None:
            session.tape.write_caller(0, bytes(8_000))
            for event in said(0, 0.0):
                session.timeline.append(event)
            await session.timeline.committed()
            is_talking.set()
            await session.stopped.wait()

        house.script = script
        record = await house.create(metadata={"customer": "c-7"})
        tasks.start_soon(house.hold, record)
        await is_talking.wait()
        proof = await eraser(house).person(DEFAULT_ORG_ID, Person(metadata_key="customer", metadata_value="c-7"))
        assert proof.is_complete
        assert contains(tmp_path, CANARY) == []
    check_nothing_left(tmp_path)


async def test_no_byte_of_a_person_is_left_in_the_data_folder(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await phoned(house, ANNA, metadata={"name": CANARY})
        assert contains(tmp_path, CANARY) != []
        assert contains(tmp_path, ANNA) != []
        proof = await eraser(house).person(DEFAULT_ORG_ID, Person(phone_number=ANNA))
        assert proof.left["marks_in_database_files"] == 0
        assert contains(tmp_path, CANARY) == contains(tmp_path, ANNA) == []


async def test_calls_go_when_their_days_are_over_and_not_before(tmp_path: Path, house: House) -> None:
    forever = await phoned(house, ANNA)
    house.agent = make_agent(data_storage_retention_days=30)
    short = await phoned(house, ANNA)
    assert short.call.end_timestamp is not None
    house.clock.jump(short.call.end_timestamp + 30 * DAY_MS - 1 - house.clock.wall_ms())
    assert await eraser(house).overdue() == 0
    house.clock.jump(1)
    assert await eraser(house).overdue() == 1
    assert await eraser(house).overdue() == 0
    assert [await is_there(house, record) for record in (forever, short)] == [True, False]
    [proof] = await house.store.erasures.list_all(DEFAULT_ORG_ID, 10)
    assert (proof.kind, proof.erased["calls"], proof.is_complete) == (ErasureKind.RETENTION, 1, True)
    check_nothing_left(tmp_path)


async def test_a_call_that_nobody_joined_goes_as_well(house: House) -> None:
    house.agent = make_agent(data_storage_retention_days=1)
    record = await house.create()
    house.clock.pass_ms(60_000)
    await house.live.end_overdue()
    house.clock.pass_ms(DAY_MS)
    assert await eraser(house).overdue() == 1
    assert await house.store.find_call(None, CallId(record.call.call_id)) is None


async def test_what_is_over_is_erased_in_batches_by_itself(tmp_path: Path) -> None:
    agent = make_agent(data_storage_retention_days=1)
    async with open_house(tmp_path, agent=agent) as house:
        for _ in range(2 * AT_A_TIME + 1):
            await house.create()
        house.clock.pass_ms(60_000)
        await house.live.end_overdue()
        house.clock.pass_ms(DAY_MS)
        proofs: list[Erasure] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(eraser(house).keep_retention)
            with anyio.fail_after(PATIENCE_S):
                while not (len(proofs) == 3 and all(proof.is_complete for proof in proofs)):
                    await anyio.sleep(0.01)
                    proofs = await house.store.erasures.list_all(DEFAULT_ORG_ID, 10)
            tasks.cancel_scope.cancel()
        assert sorted(proof.erased["calls"] for proof in proofs) == [1, AT_A_TIME, AT_A_TIME]
