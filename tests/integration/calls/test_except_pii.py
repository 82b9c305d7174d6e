"""`everything_except_pii`: all of a call is kept but the personal data in it, which is never on the disk."""

import wave
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retold.calls.change import CallChanges, update_finished
from retold.calls.erase import Eraser
from retold.calls.finish import finish
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.call_parts import CallAnalysis
from retold.domain.erasure import Person
from retold.domain.pii.categories import PiiCategory
from retold.domain.pii.transcript import ScrubbedCall
from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import TranscriptItem, Word
from retold.engine.timeline import (
    AnyEvent,
    CallConnected,
    EndIntended,
    ReplyEnded,
    ResponderTraffic,
    ToolCallEnded,
    ToolCallStarted,
    UserTranscribed,
    VariablesCollected,
    WordsPlayed,
)
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.storage.store import with_call
from support.call_house import RATE, HandClock, House, Script, ScriptedSession, open_house
from support.canaries import hits
from support.invariants import check_call, check_nothing_left
from support.stored import make_agent

pytestmark = pytest.mark.anyio

SECRETS = ("4111 4111", '"4111"', "411141111111", "Zebulon")
"""The number as it stands in texts, as a word, and in values: four digits alone are in many a random id."""
CALL_S = 6
SPOKEN = (1_000.0, 3_250.0)
"""When parts of the card number are said: on each side of a back-channel."""


def careful_agent(**changes: Any) -> Agent:
    return make_agent(data_storage_setting="everything_except_pii", **changes)


def words(text: str, at_ms: float) -> tuple[Word, ...]:
    """One word each 250 ms, 200 ms long."""
    return tuple(Word(word, at_ms + 250 * place, at_ms + 250 * place + 200) for place, word in enumerate(text.split()))


def told() -> list[AnyEvent]:
    """A card number over two turns, a name, and tools, variables and traffic that repeat them."""
    return [
        WordsPlayed(at_ms=800, response_id=0, words=words("Your card number?", 0)),
        UserTranscribed(at_ms=2000, utterance=0, words=words("4111 4111 1111", 1000)),
        ResponderTraffic(at_ms=2100, direction="sent", text='{"interaction_type":"x","text":"4111 4111 1111"}'),
        WordsPlayed(at_ms=2400, response_id=1, words=words("mm-hmm", 2000)),
        UserTranscribed(at_ms=4000, utterance=1, words=words("and 1129 thank you", 3000)),
        ToolCallStarted(at_ms=4100, tool_call_id="t", name="pay", arguments='{"card":"4111411111111129"}'),
        ToolCallEnded(at_ms=4200, tool_call_id="t", content='{"holder":"my name is Zebulon"}', successful=True),
        UserTranscribed(at_ms=5200, utterance=2, words=words("My name is Zebulon", 4300)),
        VariablesCollected(at_ms=5300, values={"customer_name": "Zebulon", "order": "pizza"}),
        WordsPlayed(at_ms=5800, response_id=2, words=words("Goodbye", 5600)),
        ReplyEnded(at_ms=5900, response_id=2, was_interrupted=True, unheard="Zebulon"),
    ]


def telling(clock: HandClock) -> Script:
    async def script(session: ScriptedSession) -> None:
        session.tape.write_caller(0, np.full(CALL_S * RATE, 1000, dtype="<i2").tobytes())
        session.tape.write_agent(0, np.full(CALL_S * RATE, 300, dtype="<i2").tobytes())
        for event in told():
            session.timeline.append(event)
        clock.pass_ms(CALL_S * 1000)
        await session.timeline.committed()
        session.end()
        await session.timeline.committed()

    return script


async def held(house: House, **details: Any) -> CallRecord:
    house.script = telling(house.clock)
    return await house.hold(await house.create(**details))


async def test_all_is_kept_but_the_personal_data(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        finished = await held(house)
        stored = await house.store.find_call(None, CallId(finished.call.call_id))
        assert hits(tmp_path, SECRETS) == []
    assert stored == finished
    call = finished.call
    check_call(call.wire())
    assert call.transcript is not None
    assert "[CREDIT_CARD]" in call.transcript
    assert "[PERSON_NAME]" in call.transcript
    assert "thank you" in call.transcript
    assert call.transcript_with_tool_calls == call.scrubbed_transcript_with_tool_calls
    assert [item["role"] for item in call.transcript_object or ()] == ["agent", "user", "agent", "user", "agent"]
    assert call.collected_dynamic_variables == {"customer_name": "[PERSON_NAME]", "order": "pizza"}
    assert not any(secret in call.model_dump_json() for secret in SECRETS)
    assert call.public_log_url is not None
    assert call.recording_url == call.scrubbed_recording_url
    check_nothing_left(tmp_path)


async def test_the_recordings_are_silent_where_personal_data_was_said(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        finished = await held(house)
    folder = tmp_path / "files" / finished.files_token
    names = {path.name for path in folder.iterdir()} - {"owner.txt"}
    assert names == {"scrubbed_recording.wav", "scrubbed_recording_multi_channel.wav", "public_log.txt.gz"}
    with wave.open(str(folder / "scrubbed_recording_multi_channel.wav")) as recording:
        heard = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").reshape(-1, 2)
    assert len(heard) == CALL_S * RATE
    for at_ms in SPOKEN:
        assert not heard[int(at_ms * RATE / 1000) : int((at_ms + 200) * RATE / 1000), 0].any()
    assert heard[0, 0] == 1000
    assert (heard[:, 1] == 300).all()


async def test_the_whole_is_known_for_ten_minutes(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        finished = await held(house)
        unstored = house.deps.archive.unstored
        whole = unstored.get(finished.call.call_id)
        assert whole is not None
        assert "4111 4111 1111" in (whole.call.transcript or "")
        assert (whole.call.recording_url or "").endswith("/recording.wav")
        assert unstored.recording(finished.files_token) is not None
        house.clock.pass_ms(600_000)
        assert unstored.get(finished.call.call_id) is None


async def test_a_detector_that_fails_leaves_nothing_stored(tmp_path: Path) -> None:
    def failing(
        _items: Sequence[TranscriptItem], _categories: Collection[PiiCategory], _texts: Sequence[str]
    ) -> ScrubbedCall:
        raise ZeroDivisionError("4111")

    async with open_house(tmp_path, agent=careful_agent()) as house:
        record = await house.create()
        archive = replace(house.deps.archive, scrub=failing)
        assert await house.store.start_call(CallId(record.call.call_id), house.clock.wall_ms())
        events = [CallConnected(at_ms=0.0, wall_ms=1, sample_rate=RATE), *told()]
        events.append(EndIntended(at_ms=6000.0, reason=DisconnectionReason.USER_HANGUP))
        finished = await finish(record, events, archive, is_recording_complete=True)
        assert hits(tmp_path, SECRETS) == []
    assert finished.call.transcript is None
    assert finished.call.scrubbed_transcript_with_tool_calls is None
    assert not finished.is_scrubbed


async def test_an_analysis_is_scrubbed_before_it_is_stored(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        finished = await held(house)
        analysis = CallAnalysis(
            call_summary="My name is Zebulon, my card is 4111 4111 1111 1129.",
            call_successful=True,
            custom_analysis_data={"customer_name": "Zebulon"},
        )
        stored = await house.store.change_call(
            DEFAULT_ORG_ID,
            CallId(finished.call.call_id),
            lambda current: with_call(current, call_analysis=analysis).permitted(),
        )
        assert hits(tmp_path, SECRETS) == []
    assert stored is not None
    assert stored.call.call_analysis is not None
    assert stored.call.call_analysis.call_successful is True
    assert "[CREDIT_CARD]" in (stored.call.call_analysis.call_summary or "")


async def test_a_change_of_something_else_keeps_what_is_stored_and_tightening_erases_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        finished = await held(house)
        call_id = CallId(finished.call.call_id)
        for changes in (CallChanges(metadata={"a": 1}), CallChanges(data_storage_setting="everything_except_pii")):
            changed = await update_finished(house.deps, DEFAULT_ORG_ID, call_id, changes)
            assert changed is not None
            assert changed.call.transcript == finished.call.transcript
            assert (tmp_path / "files" / finished.files_token / "scrubbed_recording.wav").exists()
        tight = CallChanges(data_storage_setting="basic_attributes_only")
        changed = await update_finished(house.deps, DEFAULT_ORG_ID, call_id, tight)
        assert changed is not None
        assert (changed.call.transcript, changed.call.recording_url) == (None, None)
        assert not (tmp_path / "files" / finished.files_token).exists()
        assert hits(tmp_path, ["thank you"]) == []


async def test_what_the_client_names_is_the_clients(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        finished = await held(house, metadata={"name": "Zebulon"}, dynamic_variables={"name": "Zebulon"})
        assert (finished.call.metadata, finished.call.retell_llm_dynamic_variables) == (
            {"name": "Zebulon"},
            {"name": "Zebulon"},
        )
        assert hits(tmp_path, ["Zebulon"]) != []
        person = Person(metadata_key="name", metadata_value="Zebulon")
        assert (await Eraser(house.deps.archive, house.live).person(DEFAULT_ORG_ID, person)).is_complete
        assert hits(tmp_path, ["Zebulon"]) == []
