"""What a person sees of a call."""

import io
from pathlib import Path

from rich.console import Console

from retold.caller.run import CallResult
from retold.caller.show import LiveView, print_report
from retold.caller.tape import CallerTape

STATS = {"p50": 700, "p95": 900, "max": 900, "values": [500, 900], "num": 2}
CALL = {
    "call_id": "call_1",
    "call_status": "ended",
    "disconnection_reason": "agent_hangup",
    "duration_ms": 12_340,
    "latency": {"e2e": STATS},
    "transcript_with_tool_calls": [
        {"role": "agent", "content": "Hello!", "words": [{"word": "Hello!", "start": 0.5, "end": 1.25}]},
        {"role": "tool_call_invocation", "tool_call_id": "t", "name": "lookup", "arguments": '{"day": "Monday"}'},
        {"role": "tool_call_result", "tool_call_id": "t", "content": "[free]"},
        {"role": "user", "content": "(unintelligible audio)", "words": []},
    ],
}


def console() -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=100, force_terminal=False), output


def test_report_says_everything_about_a_call() -> None:
    screen, output = console()
    print_report(screen, "A booking", CallResult(CALL, CallerTape("call_1", 8_000), ("too slow",), Path("data/x")))
    shown = output.getvalue()
    for text in (
        "A booking  call_1",
        "0.50 to 1.25 s  agent  Hello!",
        'tool  lookup({"day": "Monday"})',
        "tool  gave [free]",
        "user  (unintelligible audio)",
        "e2e: caller stops, agent starts  700  900  900  500 900",
        "ended: agent_hangup (ended) after 12.3 s",
        "saved: data/x/",
        "NOT AS EXPECTED: too slow",
    ):
        assert text in shown


def test_report_shows_items_of_every_kind() -> None:
    items = [
        {"role": "node_transition", "former_node_name": "Welcome", "new_node_name": "Booking"},
        {"role": "injected", "content": "A member.", "time_sec": 3.5},
        {"role": "dtmf", "digit": "5"},
    ]
    screen, output = console()
    call = CALL | {"transcript_with_tool_calls": items}
    print_report(screen, "A flow", CallResult(call, CallerTape("call_1", 8_000), (), None))
    for text in ("flow  from Welcome to Booking", "injected  A member.", "dtmf"):
        assert text in output.getvalue()


def test_report_of_a_call_that_never_was_is_short() -> None:
    screen, output = console()
    call = {"call_id": "call_1", "call_status": "not_connected", "disconnection_reason": "error_user_not_joined"}
    print_report(screen, "Nobody", CallResult(call, CallerTape("call_1", 8_000), (), None))
    assert "ended: error_user_not_joined (not_connected) after 0.0 s" in output.getvalue()


def test_live_view_shows_transcript_and_waits() -> None:
    output = io.StringIO()
    with LiveView(Console(file=output, width=80, force_terminal=True), is_kept=True) as view:
        view.show_update(1_000, {"event_type": "update", "transcript": [{"role": "agent", "content": "Hello!"}]})
        view.show_latency(2_000, 640.4)
        view.show_update(2_100, {"event_type": "metadata", "metadata": 1})
    assert "Hello!" in output.getvalue()
    assert "640" in output.getvalue()
