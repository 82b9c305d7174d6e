"""A call for a person's eyes: the live view while it runs, and the report after it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from retold.caller.run import CallResult

_LIVE_LINES = 12
_STYLES = {"agent": "cyan", "user": "green", "tool": "yellow", "flow": "yellow"}
_PIPED_WIDTH = 120
_LATENCIES = (
    ("e2e", "caller stops, agent starts"),
    ("asr", "words behind the audio"),
    ("llm", "brain asked, first words"),
    ("llm_websocket_network_rtt", "to the brain and back"),
    ("tts", "text in, first sound"),
)


def report_console() -> Console:
    """Standard output, as wide as the terminal, or as wide as a page when it is piped."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPED_WIDTH)


class LiveView:
    """A client.Watcher that shows the transcript and each turn's latency on a terminal.

    `is_kept` says that the last picture stays when the call is over.
    """

    def __init__(self, console: Console, *, is_kept: bool) -> None:
        self._live = Live(console=console, refresh_per_second=8, transient=not is_kept)
        self._transcript: Sequence[Mapping[str, Any]] = ()
        self._latencies_ms: list[float] = []

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show_update(self, at_ms: float, event: Mapping[str, Any]) -> None:
        """Show the transcript so far."""
        if isinstance(event.get("transcript"), list):
            self._transcript = event["transcript"]
            self._draw(at_ms)

    def show_latency(self, at_ms: float, latency_ms: float) -> None:
        """Show how long the caller waited for the agent."""
        self._latencies_ms.append(latency_ms)
        self._draw(at_ms)

    def _draw(self, at_ms: float) -> None:
        text = Text()
        for utterance in self._transcript[-_LIVE_LINES:]:
            text.append(f"{utterance['role']:>6}  ", style=_STYLES.get(utterance["role"], ""))
            text.append(f"{utterance['content']}\n")
        waits = "  ".join(f"{latency_ms:.0f}" for latency_ms in self._latencies_ms[-_LIVE_LINES:])
        text.append(f"{at_ms / 1000:6.1f} s   waited for the agent (ms): {waits or '-'}", style="dim")
        self._live.update(text)


def print_report(console: Console, title: str, result: CallResult) -> None:
    """Print what was said when, tool calls, latencies, why the call ended and where its files are."""
    call = result.call
    console.print(Text.assemble("\n", (title, "bold"), "  ", (call["call_id"], "dim")))
    console.print(_transcript_table(call))
    console.print(_latency_table(call))
    seconds = (call.get("duration_ms") or 0) / 1000
    console.print(f"ended: {call.get('disconnection_reason')} ({call['call_status']}) after {seconds:.1f} s")
    if result.saved_in is not None:
        console.print(f"saved: {_relative(result.saved_in)}/", soft_wrap=True, markup=False)
    for failure in result.failures:
        console.print(Text(f"NOT AS EXPECTED: {failure}", style="bold red"), soft_wrap=True)


def _transcript_table(call: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for item in call.get("transcript_with_tool_calls") or call.get("transcript_object") or []:
        times, who, what = _row(item)
        table.add_row(times, Text(who, style=_STYLES.get(who, "")), Text(what))
    return table


def _row(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Times, speaker and content of one transcript item."""
    match item:
        case {"role": "tool_call_invocation", "name": name, "arguments": arguments}:
            return "", "tool", f"{name}({arguments})"
        case {"role": "tool_call_result", "content": content}:
            return "", "tool", f"gave {content}"
        case {"role": "node_transition", "former_node_name": former, "new_node_name": new}:
            return "", "flow", f"from {former} to {new}"
        case _:
            words = item.get("words") or []
            times = f"{words[0]['start']:.2f} to {words[-1]['end']:.2f} s" if words else ""
            return times, str(item["role"]), str(item.get("content", ""))


def _latency_table(call: Mapping[str, Any]) -> Table:
    table = Table("latency in ms", "p50", "p95", "max", "each", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, meaning in _LATENCIES:
        if stats := (call.get("latency") or {}).get(name):
            values = " ".join(f"{value:.0f}" for value in stats["values"][:_LIVE_LINES])
            more = " ..." if stats["num"] > _LIVE_LINES else ""
            row = (f"{name}: {meaning}", *(f"{stats[key]:.0f}" for key in ("p50", "p95", "max")), values + more)
            table.add_row(*row)
    return table


def _relative(path: Path) -> Path:
    absolute = path.absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute
