"""Turn taking while tools run: work is neither silence nor an answer, and in the end it is over."""

from hypothesis import given, settings
from hypothesis import strategies as st

from retold.domain.reasons import DisconnectionReason
from retold.engine.actions import Ask, End, Play, ReplyRef
from retold.engine.rules import Rules
from retold.engine.turn_deadlines import deadline
from retold.engine.turn_events import ReplyDone, ReplyReady, ReplyVoid, SpeechStarted, ToolEnded, ToolStarted
from retold.engine.turn_state import Phase
from retold.ports import ReplyKind
from support.floor import Floor, greeted, speaks

RULES = Rules(reminder_trigger_ms=5_000, end_call_after_silence_ms=20_000)
ASKED_MS = 3_350.0
"""When reply 1 is asked for."""


def asked(rules: Rules = RULES) -> Floor:
    return greeted(rules).take(*speaks("Look it up.", at=2000, until=3000)).wait_until(ASKED_MS)


def kinds(floor: Floor) -> list[ReplyKind]:
    return [action.kind for action in floor.did(Ask) if isinstance(action, Ask)]


def test_a_reply_that_waits_for_a_tool_is_waited_for() -> None:
    floor = asked().take(ToolStarted(4000, "t1")).wait_until(60_000)
    assert (floor.state.phase, floor.state.reply) == (Phase.THINKING, ReplyRef(1))
    floor.take(ToolEnded(61_000, "t1"), ReplyReady(61_500, ReplyRef(1)))
    assert floor.did(Play)[-1:] == [Play(ReplyRef(1))]


def test_after_the_tool_the_reply_has_its_time_again() -> None:
    floor = asked().take(ToolStarted(4000, "t1"), ToolEnded(60_000, "t1"))
    assert floor.wait_until(69_999).state.phase is Phase.THINKING
    assert floor.wait_until(70_001).state.phase is Phase.LISTENING
    assert "listen again" in floor.decisions()


def test_while_one_of_two_tools_runs_there_is_work() -> None:
    floor = asked().take(ToolStarted(4000, "t1"), ToolStarted(5000, "t2"), ToolEnded(30_000, "t1"))
    assert floor.wait_until(59_000).state.phase is Phase.THINKING
    floor.take(ToolEnded(60_000, "t2"), ReplyVoid(60_000, ReplyRef(1)))
    assert floor.wait_until(64_999).state.phase is Phase.LISTENING
    floor.wait_until(65_001)
    assert kinds(floor) == [ReplyKind.RESPONSE, ReplyKind.REMINDER]


def test_a_tool_of_a_reply_that_is_void_does_not_excuse_the_next_one() -> None:
    floor = asked().take(ToolStarted(4000, "t1"), *speaks("And now?", at=6000, until=7000, utterance=1))
    assert floor.state.reply == ReplyRef(1)
    floor.wait_until(7_400)
    assert floor.state.reply == ReplyRef(2)
    assert floor.wait_until(17_400).state.phase is Phase.LISTENING
    assert kinds(floor.wait_until(60_000)) == [ReplyKind.RESPONSE, ReplyKind.RESPONSE]


def test_a_late_reply_is_played_although_another_tool_runs() -> None:
    floor = asked().take(ToolStarted(4000, "t1"), *speaks("And now?", at=6000, until=7000, utterance=1))
    floor.wait_until(20_000).take(ReplyReady(21_000, ReplyRef(2)))
    assert floor.state.phase is Phase.SPEAKING
    floor.take(ReplyDone(22_000, ReplyRef(2)), ToolEnded(50_000, "t1"))
    assert kinds(floor.wait_until(55_001))[-1] is ReplyKind.REMINDER


def test_the_time_of_the_work_is_left_out_of_the_silence() -> None:
    rules = Rules(reminder_max_count=0, end_call_after_silence_ms=20_000)
    floor = asked(rules).take(ToolStarted(4000, "t1"), ReplyVoid(5000, ReplyRef(1)), ToolEnded(64_000, "t1"))
    spoken_until = 3160.0
    assert floor.wait_until(spoken_until + 60_000 + 19_999).state.phase is Phase.LISTENING
    floor.wait_until(spoken_until + 60_000 + 20_001)
    assert [end.reason for end in floor.did(End) if isinstance(end, End)] == [DisconnectionReason.INACTIVITY]


def test_a_caller_who_speaks_while_a_tool_runs_is_silent_only_from_then_on() -> None:
    rules = Rules(reminder_max_count=0, end_call_after_silence_ms=20_000)
    floor = asked(rules).take(ToolStarted(4000, "t1"), ReplyVoid(5000, ReplyRef(1)))
    floor.take(*speaks("Hm.", at=30_000, until=31_000, utterance=1)).wait_until(31_400)
    floor.take(ReplyVoid(31_500, ReplyRef(2)), ToolEnded(64_000, "t1"))
    assert floor.wait_until(64_000 + 19_990).state.phase is Phase.LISTENING
    assert floor.wait_until(64_000 + 20_001).state.phase is Phase.CLOSED


def test_a_tool_that_nobody_has_heard_of_changes_nothing() -> None:
    floor = asked()
    before = floor.state
    assert floor.take(ToolEnded(4000, "t9")).state == before


def test_a_tool_that_begins_again_under_its_id_is_one_tool() -> None:
    floor = asked().take(ToolStarted(4000, "t1"), ToolStarted(5000, "t1"), ToolEnded(6000, "t1"))
    assert floor.state.tools == ()


def test_the_caller_is_heard_while_a_tool_runs() -> None:
    floor = asked().take(ToolStarted(4000, "t1"), SpeechStarted(5060, 5000))
    assert floor.state.phase is Phase.HEARING


work = st.lists(st.tuples(st.floats(0, 40_000), st.integers(0, 2), st.booleans()), max_size=12)


@settings(max_examples=60)
@given(script=work, is_void=st.booleans())
def test_when_all_work_is_done_silence_counts_again(script: list[tuple[float, int, bool]], *, is_void: bool) -> None:
    floor = asked(Rules(end_call_after_silence_ms=20_000))
    for pause_ms, number, begins in script:
        at_ms = floor.now_ms + pause_ms
        floor.take(ToolStarted(at_ms, str(number)) if begins else ToolEnded(at_ms, str(number)))
        assert not floor.state.tools or floor.state.phase is not Phase.CLOSED
    floor.take(*(ToolEnded(floor.now_ms, str(number)) for number in range(3)))
    if is_void and floor.state.reply is not None:
        floor.take(ReplyVoid(floor.now_ms, floor.state.reply))
    over_by_ms = floor.now_ms + 120_000
    assert floor.state.phase is Phase.CLOSED or deadline(floor.state, floor.rules) < over_by_ms
    assert floor.wait_until(over_by_ms).state.phase is Phase.CLOSED
