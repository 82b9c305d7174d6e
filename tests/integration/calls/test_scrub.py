"""Agents with a `pii_config`: the scrubbed copies of a whole call, and that they fail closed."""

import gzip
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog.testing

from retold.calls.recover import recover
from retold.domain.agent import Agent
from retold.domain.pii.transcript import ScrubbedCall
from retold.domain.transcript import TranscriptItem, Word
from retold.engine.timeline import (
    AnyEvent,
    ReplyEnded,
    ResponderTraffic,
    ToolCallEnded,
    ToolCallStarted,
    UserTranscribed,
    VariablesCollected,
    WordsPlayed,
    encode,
)
from retold.ids import CallId
from support.call_house import RATE, HandClock, House, Script, ScriptedSession, open_house
from support.invariants import check_call, check_files, check_nothing_left
from support.stored import BORN_MS, make_agent

pytestmark = pytest.mark.anyio

SECRETS = ("4242", "Zebulon", "four")
"""What none of the scrubbed copies may hold."""
CALL_S = 8


def careful_agent(**changes: Any) -> Agent:
    config = {"mode": "post_call", "categories": ["person_name", "credit_card"]}
    return make_agent(pii_config=config, **changes)


def words(text: str, at_ms: float) -> tuple[Word, ...]:
    """One word each 250 ms, 200 ms long."""
    return tuple(Word(word, at_ms + 250 * place, at_ms + 250 * place + 200) for place, word in enumerate(text.split()))


def told() -> list[AnyEvent]:
    """A card number over two turns and a back-channel, a name that is read back, tools and traffic that repeat both."""
    return [
        WordsPlayed(at_ms=900, response_id=0, words=words("Your card number?", 0)),
        UserTranscribed(at_ms=2500, utterance=0, words=words("It is 4242 4242", 1000)),
        ResponderTraffic(at_ms=2600, direction="sent", text='{"interaction_type":"x","text":"It is 4242 4242"}'),
        WordsPlayed(at_ms=2900, response_id=1, words=words("mm-hmm", 2500)),
        UserTranscribed(at_ms=5300, utterance=1, words=words("four two uh four two 4242 please", 3000)),
        ToolCallStarted(at_ms=5350, tool_call_id="t", name="pay", arguments='{"card":4242424242424242,"tip":3}'),
        ToolCallEnded(at_ms=5360, tool_call_id="t", content='{"holder":"Zebulon"}', successful=True),
        UserTranscribed(at_ms=6500, utterance=2, words=words("My name is Zebulon", 5500)),
        VariablesCollected(at_ms=6600, values={"customer_name": "Zebulon"}),
        WordsPlayed(at_ms=7500, response_id=2, words=words("Thank you, Zebulon.", 7000)),
        ReplyEnded(at_ms=7600, response_id=2, was_interrupted=True, unheard="Your 4242"),
    ]


def telling(clock: HandClock) -> Script:
    """Both parties sound all the time, at levels of their own."""

    async def script(session: ScriptedSession) -> None:
        session.tape.write_caller(0, np.full(CALL_S * RATE, 1000, dtype="<i2").tobytes())
        session.tape.write_agent(0, np.full(CALL_S * RATE, 300, dtype="<i2").tobytes())
        for event in told():
            session.timeline.append(event)
        clock.pass_ms(CALL_S * 1000)
        session.end()
        await session.timeline.committed()

    return script


async def held(house: House) -> dict[str, Any]:
    house.script = telling(house.clock)
    finished = await house.hold(await house.create())
    stored = await house.store.find_call(None, CallId(finished.call.call_id))
    assert stored == finished
    return finished.call.wire()


def samples(folder: Path, call: dict[str, Any], field: str) -> np.ndarray:
    with wave.open(str(folder / call[field].removeprefix("/"))) as recording:
        frames = recording.readframes(recording.getnframes())
        return np.frombuffer(frames, dtype="<i2").reshape(-1, recording.getnchannels())


async def test_a_call_gets_its_scrubbed_copies_beside_the_whole(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        call = await held(house)
    check_call(call)
    check_files(tmp_path, call)
    check_nothing_left(tmp_path)
    assert "4242 4242" in call["transcript"]
    said = [item["content"] for item in call["scrubbed_transcript_with_tool_calls"] if "words" in item]
    assert said == [
        "Your card number?",
        "It is [CREDIT_CARD]",
        "mm-hmm",
        "[CREDIT_CARD] please",
        "My name is [PERSON_NAME]",
        "Thank you, [PERSON_NAME].",
    ]
    tools = [item for item in call["scrubbed_transcript_with_tool_calls"] if "words" not in item]
    assert [tool.get("arguments", tool.get("content")) for tool in tools] == [
        '{"card":"[CREDIT_CARD]","tip":3}',
        '{"holder":"[PERSON_NAME]"}',
    ]


async def test_the_log_of_a_careful_agent_holds_no_personal_data(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        call = await held(house)
    log = gzip.decompress((tmp_path / (call["public_log_url"].removeprefix("/") + ".gz")).read_bytes()).decode()
    assert [secret for secret in SECRETS if secret in log] == []
    assert 'user words: "It is [CREDIT_CARD]"' in log
    assert '"interaction_type":"x"' in log
    assert "intended but not heard: '[TEXT]'" in log


async def test_the_words_are_muted_where_they_were_said(tmp_path: Path) -> None:
    async with open_house(tmp_path, agent=careful_agent()) as house:
        call = await held(house)
    mono = samples(tmp_path, call, "scrubbed_recording_url")[:, 0]
    both = samples(tmp_path, call, "scrubbed_recording_multi_channel_url")
    # From the first sound of the first word to the last of the last one.
    caller_ms = [(1500, 1950), (3000, 4450), (6250, 6450)]
    agent_ms = [(7500, 7700)]
    check_muted(both[:, 0], caller_ms, 1000)
    check_muted(both[:, 1], agent_ms, 300)
    check_muted(mono, caller_ms + agent_ms, 1300)
    whole = samples(tmp_path, call, "recording_multi_channel_url")
    assert (whole == [1000, 300]).all()


def check_muted(channel: np.ndarray, spans_ms: list[tuple[int, int]], level: int) -> None:
    """Silence in each span and for 50 ms around it at most; sound everywhere else."""
    is_outside = np.ones(len(channel), dtype=bool)
    for start_ms, end_ms in spans_ms:
        assert not channel[start_ms * RATE // 1000 : end_ms * RATE // 1000].any()
        is_outside[(start_ms - 50) * RATE // 1000 : (end_ms + 50) * RATE // 1000] = False
    assert (channel[is_outside] == level).all()


async def test_recovery_makes_the_same_copies(tmp_path: Path) -> None:
    async with open_house(tmp_path / "one", agent=careful_agent()) as house:
        call = await held(house)
    async with open_house(tmp_path / "two", agent=careful_agent()) as house:
        record = await house.create()
        call_id = CallId(record.call.call_id)
        await house.store.start_call(call_id, BORN_MS)
        journal = house.store.journal(call_id)
        for number, event in enumerate(told(), start=1):
            journal.append(number, event.at_ms, encode(event))
        await journal.committed()
        await recover(house.deps.archive, house.live)
        recovered = await house.store.find_call(None, call_id)
    assert recovered is not None
    again = recovered.call.wire()
    assert again["scrubbed_transcript_with_tool_calls"] == call["scrubbed_transcript_with_tool_calls"]
    check_files(tmp_path / "two", again)


async def test_an_agent_without_categories_gets_no_copies(tmp_path: Path) -> None:
    agent = make_agent(pii_config={"mode": "post_call", "categories": []})
    async with open_house(tmp_path, agent=agent) as house:
        call = await held(house)
    assert [field for field in call if field.startswith("scrubbed")] == []
    assert len(list((tmp_path / "files").rglob("*.wav"))) == 2


async def test_a_detector_that_fails_leaves_neither_copies_nor_log(tmp_path: Path) -> None:
    def failing(_items: Sequence[TranscriptItem], _categories: object, texts: Sequence[str]) -> ScrubbedCall:
        raise ValueError(f"cannot read {texts}")

    async with open_house(tmp_path, agent=careful_agent()) as house:
        house.deps = replace(house.deps, archive=replace(house.deps.archive, scrub=failing))
        with structlog.testing.capture_logs() as logs:
            call = await held(house)
    assert [(line["event"], line["error"]) for line in logs if "error" in line] == [("call_not_scrubbed", "ValueError")]
    assert "4242" not in str(logs)
    assert "4242" in call["transcript"]
    assert [field for field in call if field.startswith("scrubbed") or field == "public_log_url"] == []
    files = [path.name for path in (tmp_path / "files").rglob("*") if path.suffix in {".wav", ".gz"}]
    assert sorted(files) == ["recording.wav", "recording_multi_channel.wav"]
