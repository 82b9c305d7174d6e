"""Timeline in, report out."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import UNINTELLIGIBLE, ToolCallInvocation, ToolCallResult, Utterance, Word
from retold.engine import timeline as t
from retold.engine.report import fold
from retold.engine.transcript_fold import TranscriptFold


def words(text: str, *, at: float) -> tuple[Word, ...]:
    """Words of 200 ms, 100 ms apart."""
    return tuple(Word(word, at + 300 * index, at + 300 * index + 200) for index, word in enumerate(text.split()))


def user(text: str, *, at: float, utterance: int = 0, lag_ms: float = 0.0) -> t.UserTranscribed:
    return t.UserTranscribed(at_ms=at + 3000, utterance=utterance, words=words(text, at=at), lag_ms=lag_ms)


def agent(text: str, *, at: float, response_id: int = 0, interrupt_id: int | None = None) -> t.WordsPlayed:
    return t.WordsPlayed(at_ms=at + 3000, response_id=response_id, interrupt_id=interrupt_id, words=words(text, at=at))


def tool_started(at: float, tool_call_id: str = "t1") -> t.ToolCallStarted:
    return t.ToolCallStarted(at_ms=at, tool_call_id=tool_call_id, name="find", arguments="{}")


def tool_ended(at: float, tool_call_id: str = "t1") -> t.ToolCallEnded:
    return t.ToolCallEnded(at_ms=at, tool_call_id=tool_call_id, content="ok", successful=True)


def lines(*events: t.AnyEvent) -> list[str]:
    return [f"{utterance.role}: {utterance.content}" for utterance in fold(events).utterances]


def woven(*events: t.AnyEvent) -> list[str]:
    return [
        item.content if isinstance(item, Utterance) else ("call" if isinstance(item, ToolCallInvocation) else "result")
        for item in fold(events).items
    ]


# --- the end --------------------------------------------------------------------------------------


def test_a_timeline_without_an_end_is_that_of_a_server_that_stopped() -> None:
    report = fold([t.CallConnected(at_ms=0, wall_ms=1, sample_rate=8000), t.Heartbeat(at_ms=1234.4)])
    assert report.reason is DisconnectionReason.ERROR_RETELL
    assert (report.detail, report.duration_ms) == ("the server stopped in mid-call", 1234)


def test_the_first_intended_end_counts() -> None:
    said: list[t.AnyEvent] = [
        t.EndIntended(at_ms=10.4, reason=DisconnectionReason.INACTIVITY, detail="silent"),
        t.EndIntended(at_ms=20, reason=DisconnectionReason.USER_HANGUP, detail="left"),
        t.Heartbeat(at_ms=30),
    ]
    report = fold(said)
    assert (report.reason, report.detail, report.duration_ms) == (DisconnectionReason.INACTIVITY, "silent", 10)
    assert fold(said, end_ms=99.6).duration_ms == 100


def test_nothing_at_all_is_an_empty_report() -> None:
    report = fold([])
    assert (report.utterances, report.items, report.duration_ms) == ((), (), 0)
    assert report.latency.model_dump(exclude_none=True) == {}


# --- the transcript -------------------------------------------------------------------------------


def test_utterances_are_ordered_by_when_they_began() -> None:
    assert lines(agent("Hello there", at=100), agent("Nine.", at=5000, response_id=1), user("When?", at=2000)) == [
        "agent: Hello there",
        "user: When?",
        "agent: Nine.",
    ]


def test_words_of_one_reply_are_one_utterance() -> None:
    report = fold([agent("We open", at=100, response_id=3), agent("at nine", at=700, response_id=3)])
    [utterance] = report.utterances
    assert utterance.content == "We open at nine"
    assert (utterance.response_id, utterance.interrupt_id) == (3, None)


def test_an_interrupt_is_an_utterance_of_its_own() -> None:
    report = fold([agent("We open", at=100, response_id=3), agent("Wait", at=900, response_id=3, interrupt_id=1)])
    assert [utterance.interrupt_id for utterance in report.utterances] == [None, 1]


def test_utterances_of_the_caller_that_follow_each_other_are_one() -> None:
    assert lines(user("Book it", at=0), user("on Tuesday", at=2000, utterance=1)) == ["user: Book it on Tuesday"]


def test_a_later_result_replaces_the_earlier_one() -> None:
    assert lines(user("Book at", at=0), user("Book a table", at=0)) == ["user: Book a table"]
    assert lines(user("Uh", at=0), user("", at=0)) == []


def unintelligible(at: float, utterance: int = 0) -> t.UserTranscribed:
    return t.UserTranscribed(at_ms=at, utterance=utterance, words=(), onset_ms=at, is_unintelligible=True)


@pytest.mark.parametrize(
    ("events", "content"),
    [
        pytest.param([unintelligible(0)], UNINTELLIGIBLE, id="alone"),
        pytest.param([unintelligible(0), unintelligible(900, 1)], UNINTELLIGIBLE, id="twice"),
        pytest.param([unintelligible(0), user("Book it", at=900, utterance=1)], "Book it", id="then words"),
        pytest.param([user("Book it", at=0), unintelligible(900, 1)], "Book it", id="after words"),
    ],
)
def test_unintelligible_speech_shows_only_where_there_are_no_words(events: list[t.AnyEvent], content: str) -> None:
    assert lines(*events) == [f"user: {content}"]


def test_fold_says_whether_the_transcript_changed() -> None:
    transcript = TranscriptFold()
    assert transcript.apply(user("Hi", at=0))
    assert transcript.apply(tool_started(5))
    assert not transcript.apply(t.Heartbeat(at_ms=9))


# --- tool calls -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "items"),
    [
        pytest.param([tool_started(5), tool_ended(9)], ["call", "result"], id="nobody spoke"),
        pytest.param([tool_started(50), agent("We do", at=100)], ["call", "We do"], id="before the first word"),
        pytest.param([agent("We do", at=100), tool_started(2000)], ["We do", "call"], id="after the last word"),
        pytest.param([agent("We do", at=100), tool_started(399)], ["We", "call", "do"], id="between two words"),
        pytest.param([agent("We do", at=100), tool_started(400)], ["We", "call", "do"], id="at a word's start"),
        pytest.param(
            [agent("We do it", at=100), tool_started(300), tool_ended(500)],
            ["We", "call", "do", "result", "it"],
            id="two in one reply",
        ),
        pytest.param(
            [agent("We do", at=100), tool_started(300), tool_ended(310)], ["We", "call", "result", "do"], id="together"
        ),
        pytest.param(
            [agent("Hi", at=100), tool_started(1000), user("Well", at=2000)], ["Hi", "call", "Well"], id="between turns"
        ),
        pytest.param([unintelligible(100), tool_started(1000)], ["call", UNINTELLIGIBLE], id="no words to go by"),
    ],
)
def test_tool_calls_are_woven_in_at_the_word(events: list[t.AnyEvent], items: list[str]) -> None:
    assert woven(*events) == items


def test_a_split_reply_keeps_its_words_and_ids() -> None:
    report = fold([agent("We do it", at=100, response_id=4), tool_started(500)])
    first, tool, second = report.items
    assert isinstance(first, Utterance)
    assert isinstance(second, Utterance)
    assert first.words + second.words == report.utterances[0].words
    assert (first.response_id, second.response_id) == (4, 4)
    assert tool == ToolCallInvocation("t1", "find", "{}")


def test_a_result_keeps_its_outcome() -> None:
    assert fold([tool_ended(5)]).items == (ToolCallResult("t1", "ok", successful=True),)


def test_a_tool_takes_from_its_call_to_its_result() -> None:
    report = fold([tool_started(100), tool_started(150, "t2"), tool_ended(350), tool_ended(400, "never called")])
    assert report.tool_latencies_ms == {"t1": 250}


def test_a_tool_that_is_called_again_under_its_id_counts_with_its_last_result() -> None:
    report = fold([tool_started(100), tool_ended(350), tool_started(400), tool_ended(410), tool_ended(900)])
    assert report.tool_latencies_ms == {"t1": 10}


# --- latency --------------------------------------------------------------------------------------


def reply_events(response_id: int, at: float, *, speech_end_ms: float | None) -> list[t.AnyEvent]:
    return [
        t.ReplyRequested(at_ms=at, response_id=response_id, kind="response_required", speech_end_ms=speech_end_ms),
        t.ReplyFirstChunk(at_ms=at + 200, response_id=response_id),
        t.SpeechRequested(at_ms=at + 210, response_id=response_id),
        t.SpeechReceived(at_ms=at + 290, response_id=response_id),
        t.ReplyStarted(at_ms=at + 300, response_id=response_id),
    ]


def test_latency_is_measured_between_events() -> None:
    latency = fold(
        [
            user("Hi", at=0, lag_ms=120),
            user("", at=0, utterance=1, lag_ms=900),
            *reply_events(1, 4000, speech_end_ms=3500),
            t.RoundTripMeasured(at_ms=9000, rtt_ms=12.34),
        ]
    ).latency
    points = {kind: getattr(latency, kind).values for kind in ("e2e", "asr", "llm", "tts", "llm_websocket_network_rtt")}
    assert points == {
        "e2e": (800,),
        "asr": (120,),
        "llm": (200,),
        "tts": (80,),
        "llm_websocket_network_rtt": (12.3,),
    }


def test_only_the_first_moment_of_each_kind_counts() -> None:
    twice = [*reply_events(1, 4000, speech_end_ms=3500), *reply_events(1, 8000, speech_end_ms=3500)[1:]]
    assert fold(twice).latency == fold(twice[:5]).latency


def test_reminders_have_no_e2e_and_interrupts_no_latency_at_all() -> None:
    reminder = fold(reply_events(1, 4000, speech_end_ms=None)).latency
    assert reminder.e2e is None
    assert reminder.llm is not None
    interrupt = fold([t.ReplyFirstChunk(at_ms=1, response_id=0, interrupt_id=1)]).latency
    assert interrupt.model_dump(exclude_none=True) == {}


def ran(tool_call_id: str, *, since: float, until: float) -> list[t.AnyEvent]:
    """A tool of ours."""
    started = t.ToolCallStarted(at_ms=since, tool_call_id=tool_call_id, name="find", arguments="{}", tool_type="custom")
    return [started, t.ToolCallEnded(at_ms=until, tool_call_id=tool_call_id, content="x")]


def llm_ms(*events: t.AnyEvent) -> tuple[float, ...]:
    in_order = sorted(events, key=lambda event: event.at_ms)
    latency = fold(in_order).latency.llm
    return latency.values if latency else ()


def test_the_model_is_not_charged_for_the_tools_that_it_waited_for() -> None:
    reply = reply_events(1, 4000, speech_end_ms=3500)
    assert llm_ms(*reply, *ran("t1", since=4050, until=4150)) == (100,)
    assert llm_ms(*reply, *ran("t1", since=4050, until=4100), *ran("t2", since=4080, until=4150)) == (100,)
    assert llm_ms(*reply, *ran("t1", since=4050, until=4070), *ran("t2", since=4080, until=4090)) == (170,)
    assert llm_ms(*reply, *ran("t1", since=4050, until=9000)) == (50,)


def test_tools_that_nothing_waited_for_take_no_time_of_a_reply() -> None:
    reply = reply_events(1, 4000, speech_end_ms=3500)
    assert llm_ms(*reply, *ran("t1", since=3000, until=4150)) == (200,)
    assert llm_ms(*reply, *ran("t1", since=4250, until=4260)) == (200,)
    assert llm_ms(*reply, tool_started(4050), tool_ended(4150)) == (200,)
    later = reply_events(2, 5000, speech_end_ms=4900)
    assert llm_ms(*reply[:1], *ran("t1", since=4050, until=5100), *later) == (200,)


def test_a_reply_that_was_never_asked_for_has_only_its_own_latency() -> None:
    begin = fold(reply_events(0, 0, speech_end_ms=None)[1:]).latency
    assert (begin.e2e, begin.llm) == (None, None)
    assert begin.tts is not None


# --- properties -----------------------------------------------------------------------------------

moments = st.integers(0, 20).map(lambda step: step * 150.0)
texts = st.lists(st.sampled_from(["well", "yes", "nine"]), max_size=3).map(" ".join)
events = st.one_of(
    st.builds(user, texts, at=moments, utterance=st.integers(0, 3)),
    st.builds(agent, texts.filter(bool), at=moments, response_id=st.integers(0, 3)),
    st.builds(tool_started, moments),
    st.builds(tool_ended, moments),
    moments.map(unintelligible),
    moments.map(lambda at: t.Heartbeat(at_ms=at)),
    moments.map(lambda at: t.EndIntended(at_ms=at, reason=DisconnectionReason.USER_HANGUP)),
)
timelines = st.lists(events, max_size=10)


@settings(max_examples=25)
@given(timelines)
def test_folding_again_gives_the_same_report(said: list[t.AnyEvent]) -> None:
    report = fold(said)
    assert fold(said) == report
    assert fold(t.replay(t.encode(event) for event in said)) == report


@settings(max_examples=25)
@given(timelines, st.integers(0, 10))
def test_what_the_agent_said_only_grows(said: list[t.AnyEvent], count: int) -> None:
    before, after = fold(said[:count]), fold(said)
    spoken = {utterance.response_id: utterance.words for utterance in after.utterances if utterance.role == "agent"}
    for utterance in before.utterances:
        if utterance.role == "agent":
            assert spoken[utterance.response_id][: len(utterance.words)] == utterance.words
    if not any(isinstance(event, t.EndIntended) for event in said):
        assert before.duration_ms <= after.duration_ms


@settings(max_examples=25)
@given(timelines)
def test_weaving_loses_no_word_and_no_tool_call(said: list[t.AnyEvent]) -> None:
    report = fold(said)
    spoken = [item for item in report.items if isinstance(item, Utterance)]
    assert [word for item in spoken for word in item.words] == [word for u in report.utterances for word in u.words]
    tools = [item for item in report.items if not isinstance(item, Utterance)]
    assert len(tools) == sum(isinstance(event, (t.ToolCallStarted, t.ToolCallEnded)) for event in said)
    assert not any(one.role == other.role == "user" for one, other in itertools.pairwise(report.utterances))
