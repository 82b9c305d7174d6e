"""Conversations in which a part fails, stalls or does something odd; on virtual time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from retold import errors
from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import SpeechAudio, Spoken, Transcribed, VoiceSettings
from retold.providers.scripted import ScriptedTextToSpeech
from retold.settings import ScriptedSettings
from retold.storage.journal import MemoryJournal
from support.dialogue import Dialogue, KnownWords, reply
from support.responders import BEGIN, Wait, freely, notes, said

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

LONG = "We are open from nine to five on every weekday and from ten to two on Saturdays all year long."
HELLO = "Hello, how can I help?"
VOICE = ScriptedTextToSpeech(ScriptedSettings(tts_ms=50))


def receiving(call: Dialogue, listen: Callable[[Callable[[bytes], None]], Awaitable[None]]) -> None:
    """Let the caller's audio come from elsewhere."""
    call.transport.listen = listen  # pyright: ignore[reportAttributeAccessIssue] - one method of a fake is replaced


# --- failures -------------------------------------------------------------------------------------

FAILURES: list[tuple[Exception, str]] = [
    (errors.LlmOpenFailed("no answer"), "error_llm_websocket_open"),
    (errors.LlmConnectionLost("keepalive lost"), "error_llm_websocket_lost_connection"),
    (errors.LlmRuntimeFailed("closed with 1011"), "error_llm_websocket_runtime"),
    (errors.LlmCorruptPayload("a binary frame"), "error_llm_websocket_corrupt_payload"),
    (ValueError("a bug"), "error_unknown"),
    (ValueError(), "error_unknown"),
]


@pytest.mark.parametrize(("error", "reason"), FAILURES, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_responder_that_fails_ends_the_call_with_its_reason(error: Exception, reason: str) -> None:
    call = freely({BEGIN: [said(0, "Hello."), Wait(900), error]})
    with capture_logs() as logs:
        report = await call.run()
    assert report.reason == reason
    assert report.detail == (str(error) or "ValueError")
    assert call.lines() == ["agent: Hello."]
    assert [log["event"] for log in logs] == (["call_part_failed"] if reason == "error_unknown" else [])


@dataclass
class Deaf:
    """Recognition that fails, or just ends, with the first piece it gets."""

    words: list[Word]
    error: Exception | None = None

    async def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncIterator[Transcribed]:  # noqa: ARG002 - none is understood
        async for _ in audio:
            if self.error:
                raise self.error
            return
        yield Transcribed(0, (), is_final=True)


@pytest.mark.parametrize("error", [errors.RecognitionFailed("no model"), None], ids=["fails", "ends"])
async def test_recognition_that_is_lost_ends_the_call(error: Exception | None) -> None:
    call = Dialogue(begin=reply(HELLO), hears=lambda words: Deaf(words, error))
    call.user_says("When do you open?", at_s=2)
    call.user_hangs_up(at_s=9)
    with capture_logs() as logs:
        report = await call.run()
    assert report.reason == "error_asr"
    assert logs == []
    assert report.duration_ms < 3500


@dataclass
class Mouth:
    """Text to speech that does as a test says before each piece."""

    before: Callable[[int], float | Exception]
    """Seconds to wait before the n-th piece, or how to fail."""
    pieces: int = 0

    async def stream(self, text: str, voice: VoiceSettings) -> AsyncIterator[Spoken]:
        async for spoken in VOICE.stream(text, voice):
            outcome = self.before(self.pieces)
            if isinstance(outcome, Exception):
                raise outcome
            await anyio.sleep(outcome)
            self.pieces += 1
            yield spoken


async def test_synthesis_that_fails_ends_the_call() -> None:
    call = Dialogue(begin=reply(HELLO), tts=Mouth(lambda _: errors.SynthesisFailed("no voice")))
    report = await call.run()
    assert (report.reason, report.detail) == (DisconnectionReason.ERROR_RETELL, "no voice")


async def test_synthesis_that_hangs_ends_the_call() -> None:
    call = Dialogue(begin=reply(HELLO), tts=Mouth(lambda _: 3600))
    report = await call.run()
    assert (report.reason, report.detail) == (
        DisconnectionReason.ERROR_RETELL,
        "text to speech gave nothing for 10 s",
    )


async def test_a_corrupt_frame_ends_the_call() -> None:
    call = Dialogue(begin=reply(HELLO))

    async def broken(take: Callable[[bytes], None]) -> None:
        take(bytes(640))
        raise errors.FrontendCorrupted("an odd number of bytes")

    receiving(call, broken)
    report = await call.run()
    assert (report.reason, report.detail) == (
        DisconnectionReason.ERROR_FRONTEND_CORRUPTED_PAYLOAD,
        "an odd number of bytes",
    )


@dataclass
class StuckJournal(MemoryJournal):
    """A disk that hangs, or refuses."""

    error: Exception | None = None
    entries: list[bytes] = field(default_factory=list[bytes])

    async def committed(self, *, is_urgent: bool = True) -> None:
        _ = is_urgent
        if self.error:
            raise self.error
        await anyio.sleep_forever()


@pytest.mark.parametrize("error", [errors.StorageBroken("fsync failed"), None], ids=["refuses", "hangs"])
async def test_the_call_goes_on_without_its_disk(error: Exception | None) -> None:
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO), journal=StuckJournal(error))
    call.user_says("When do you open?", at_s=2)
    call.user_hangs_up(at_s=6)
    with capture_logs() as logs:
        report = await call.run()
    assert call.lines() == [f"agent: {HELLO}", "user: When do you open?", "agent: We open at nine."]
    assert report.reason == "user_hangup"
    assert {log["event"] for log in logs} == {"journal_failed" if error else "journal_slow"}


async def test_a_goodbye_that_fails_costs_nothing_of_the_record() -> None:
    call = Dialogue(begin=reply(HELLO))
    call.user_hangs_up(at_s=3)

    async def close(reason: str) -> None:
        raise OSError(reason)

    call.transport.close = close
    with capture_logs() as logs:
        report = await call.run()
    assert report.reason == "user_hangup"
    assert [log["event"] for log in logs] == ["goodbye_failed"]


# --- ended from outside ---------------------------------------------------------------------------


async def test_stopped_from_outside_while_both_speak() -> None:
    call = Dialogue([reply("Sure.")], begin=reply(LONG), rules=Rules(can_interrupt=False))
    call.user_says("This goes on and on and on and on and on and on", at_s=1)
    with capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call.run)
            await anyio.sleep(2.5)
            call.session.stop(DisconnectionReason.MANUAL_STOPPED, "stop-call")
    report = call.report()
    assert (report.reason, report.detail) == (DisconnectionReason.MANUAL_STOPPED, "stop-call")
    assert report.duration_ms == pytest.approx(2500, abs=5)
    assert [line.split(" ", 1)[0] for line in call.lines()] == ["agent:", "user:"]
    assert logs == []
    call.session.stop(DisconnectionReason.MANUAL_STOPPED, "again")


async def test_cancelled_from_outside_is_our_own_fault() -> None:
    call = Dialogue(begin=reply(LONG))
    with anyio.move_on_after(1):
        await call.run()
    report = call.report()
    assert (report.reason, report.detail) == (DisconnectionReason.ERROR_RETELL, "cancelled")
    assert LONG.startswith(report.utterances[0].content)


async def test_words_up_to_the_hang_up_are_kept() -> None:
    call = Dialogue(begin=reply(LONG))
    call.user_hangs_up(at_s=2)
    report = await call.run()
    [utterance] = report.utterances
    assert utterance.words[-1].start_ms < 2000
    assert len(utterance.words) == pytest.approx(2000 / 240, abs=1.5)
    [ended] = [event for event in call.timeline if isinstance(event, t.ReplyEnded)]
    assert f"{utterance.content} {ended.unheard}" == LONG


async def test_last_words_of_a_caller_who_hangs_up_in_mid_sentence_are_kept() -> None:
    call = Dialogue(begin=reply(HELLO))
    call.user_says("I will call back later", at_s=2)
    call.user_hangs_up(at_s=2.9)
    await call.run()
    assert call.lines()[-1] == "user: I will call back"


async def test_a_short_sound_makes_the_agent_quieter_for_a_moment() -> None:
    call = Dialogue(begin=reply(LONG), rules=Rules(duck_after_ms=100, hold_after_ms=500))
    call.user_coughs(at_s=2, ms=130)
    call.user_hangs_up(at_s=4)
    await call.run()
    assert [decision for decision in call.decisions() if "agent" in decision] == ["agent ducks", "agent goes on"]
    before, meanwhile, after = (
        int(call.tape.agent[from_ms * 16 : to_ms * 16].max())
        for from_ms, to_ms in ((1000, 2000), (2170, 2280), (2450, 3500))
    )
    assert meanwhile < before / 3
    assert after == pytest.approx(before, rel=0.05)


# --- slow parts -----------------------------------------------------------------------------------


async def test_speech_slower_than_real_time_has_gaps_but_loses_no_word() -> None:
    call = Dialogue(begin=reply(LONG), tts=Mouth(lambda piece: 2.0 if piece else 0.0))
    call.user_hangs_up(at_s=12)
    report = await call.run()
    [utterance] = report.utterances
    assert utterance.content == LONG
    for word in utterance.words:
        assert call.tape.is_loud("agent", word.start_ms + 2, word.end_ms - 2)
    gaps = [late.start_ms - early.end_ms for early, late in zip(utterance.words, utterance.words[1:], strict=False)]
    assert max(gaps) > 500


async def test_speech_is_not_made_long_before_it_is_heard() -> None:
    pieces: list[float] = []
    call = Dialogue(begin=reply(*[f"{LONG} "] * 3), tts=Mouth(lambda _: pieces.append(call.call_clock.now_ms()) or 0.0))
    call.user_hangs_up(at_s=16)
    report = await call.run()
    assert report.utterances[0].content == " ".join([LONG] * 3)
    assert pieces[::4] == pytest.approx([50, 900, 5700], abs=200)


async def test_interrupting_a_long_reply_drops_what_waits_for_speech() -> None:
    call = Dialogue([reply("Sure.")], begin=reply(*[f"{LONG} "] * 4))
    call.user_says("Wait please.", at_s=3)
    call.user_hangs_up(at_s=8)
    await call.run()
    assert call.lines()[1:] == ["user: Wait please.", "agent: Sure."]


async def test_a_gap_in_the_callers_audio_ends_the_speech_and_is_noted() -> None:
    call = Dialogue([reply("Sure.")], begin=reply(HELLO))
    call.user_says("Book a table for two on", at_s=2)
    call.user_says("Tuesday.", at_s=5)
    call.user_hangs_up(at_s=9)
    listen = call.transport.listen

    async def interrupted(take: Callable[[bytes], None]) -> None:
        await listen(lambda chunk: None if 2700 <= call.call_clock.now_ms() < 4500 else take(chunk))

    receiving(call, interrupted)
    report = await call.run()
    assert any(note.startswith("no caller audio for 1") for note in notes(call))
    assert [line.split(":")[0] for line in call.lines()] == ["agent", "user", "agent", "user", "agent"]
    [tuesday] = report.utterances[3].words
    assert call.tape.is_loud("caller", tuesday.start_ms + 2, tuesday.end_ms - 2)


async def test_words_that_come_late_are_answered_once() -> None:
    call = Dialogue(
        [reply("We open at nine.")], begin=reply(HELLO), hears=lambda words: KnownWords(words, final_ms=2500)
    )
    call.user_says("When do you open?", at_s=2)
    call.user_hangs_up(at_s=10)
    report = await call.run()
    assert call.lines()[1:] == ["user: When do you open?", "agent: We open at nine."]
    assert report.latency.e2e is not None
    assert report.latency.e2e.values[0] > 2500


async def test_events_are_shown_after_they_were_journaled() -> None:
    class Watching(MemoryJournal):
        committed_events = 0

        async def committed(self, *, is_urgent: bool = True) -> None:
            _ = is_urgent
            self.committed_events = len(self.entries)

    journal = Watching()
    call = Dialogue([reply("We open at nine.")], begin=reply(HELLO), journal=journal)
    shown: list[tuple[int, Any]] = []

    async def send_event(event: Mapping[str, Any]) -> None:
        shown.append((journal.committed_events, event))

    call.transport.send_event = send_event
    call.user_says("When?", at_s=2)
    call.user_hangs_up(at_s=5)
    await call.run()
    for committed, event in shown:
        words = sum(len(utterance["words"]) for utterance in event["transcript"] if utterance["role"] == "agent")
        journaled = [t.decode(raw) for raw in journal.entries[:committed]]
        assert words <= sum(len(played.words) for played in journaled if isinstance(played, t.WordsPlayed))
