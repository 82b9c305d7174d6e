"""A tool that still ran when its call ended has a failed result, and the time that it had."""

from retold.domain.reasons import DisconnectionReason
from retold.engine import timeline as t
from retold.engine.report import fold
from retold.engine.unanswered import CALL_ENDED, with_unanswered

ENDS = t.EndIntended(at_ms=5_000, reason=DisconnectionReason.USER_HANGUP)


def began(at_ms: float, tool_call_id: str, tool_type: str | None = "custom") -> t.ToolCallStarted:
    return t.ToolCallStarted(at_ms=at_ms, tool_call_id=tool_call_id, name="look", arguments="{}", tool_type=tool_type)


def gave(at_ms: float, tool_call_id: str) -> t.ToolCallEnded:
    return t.ToolCallEnded(at_ms=at_ms, tool_call_id=tool_call_id, content="free", successful=True)


def given_up(at_ms: float, tool_call_id: str) -> t.ToolCallEnded:
    return t.ToolCallEnded(at_ms=at_ms, tool_call_id=tool_call_id, content=CALL_ENDED, successful=False)


def test_a_tool_without_a_result_gets_one_when_the_call_ends() -> None:
    events = [began(1_000, "t1"), began(2_000, "t2"), gave(2_500, "t1"), ENDS, t.Heartbeat(at_ms=5_200)]
    settled = with_unanswered(events)
    assert settled == [*events, given_up(5_000, "t2")]
    assert fold(settled).tool_latencies_ms == {"t1": 1_500, "t2": 3_000}


def test_a_tool_that_is_used_again_under_its_id_may_run_again() -> None:
    events = [began(1_000, "t1"), gave(2_000, "t1"), began(3_000, "t1"), ENDS]
    assert with_unanswered(events)[len(events) :] == [given_up(5_000, "t1")]


def test_a_tool_that_began_while_the_call_was_taken_down_has_run_for_no_time() -> None:
    assert with_unanswered([ENDS, began(5_100, "t1")])[2:] == [given_up(5_100, "t1")]


def test_a_tool_of_a_call_that_died_ran_until_the_last_sign_of_life() -> None:
    events = [began(1_000, "t1"), t.Heartbeat(at_ms=4_000)]
    assert with_unanswered(events)[2:] == [given_up(4_000, "t1")]


def test_a_tool_that_an_llm_server_told_of_is_left_as_it_was_told() -> None:
    events = [began(1_000, "t1", tool_type=None), ENDS]
    assert with_unanswered(events) == events


def test_a_call_in_which_nothing_happened_stays_so() -> None:
    assert with_unanswered([]) == []
