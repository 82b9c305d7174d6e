"""A call for a person's eyes: the live view while it runs, and the report after it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from retold.caller.run import CallResult

_LIVE_LINES = 12
_STYLES = {"agent": "cyan", "user": "green"}
_LATENCIES = (
    ("e2e", "caller stops -> agent starts"),
    ("asr", "recognition behind the audio"),
    ("llm", "brain asked -> first words"),
    ("llm_websocket_network_rtt", "round trip to the brain"),
    ("tts", "text -> first sound"),
)


class LiveView:
    """A client.Watcher that shows the transcript and each turn's latency on a terminal."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=8, transient=True)
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
    console.print(Text(f"\n{title}", style="bold"), Text(call["call_id"], style="dim"))
    for line in _transcript_lines(call):
        console.print(line)
    console.print(_latency_table(call))
    seconds = (call.get("duration_ms") or 0) / 1000
    console.print(f"ended: {call.get('disconnection_reason')} ({call['call_status']}) after {seconds:.1f} s")
    if result.saved_in is not None:
        console.print(f"saved: {_relative(result.saved_in)}/", soft_wrap=True)
    for failure in result.failures:
        console.print(Text(f"NOT AS EXPECTED: {failure}", style="bold red"))


def _transcript_lines(call: Mapping[str, Any]) -> Iterator[Text]:
    for item in call.get("transcript_with_tool_calls") or call.get("transcript_object") or []:
        match item:
            case {"role": "agent" | "user" as role, "content": content}:
                words = item.get("words") or []
                times = f"{words[0]['start']:6.2f} to {words[-1]['end']:6.2f} s" if words else " " * 18
                yield Text.assemble((times, "dim"), "  ", (f"{role:>5}", _STYLES[role]), "  ", content)
            case {"role": "tool_call_invocation", "name": name, "arguments": arguments}:
                yield Text.assemble(" " * 20, (" tool", "yellow"), f"  {name}({arguments})")
            case {"role": "tool_call_result", "content": content}:
                yield Text.assemble(" " * 20, (" tool", "yellow"), f"  gave {content}")
            case _:
                yield Text(" " * 20 + f"       {item}")


def _latency_table(call: Mapping[str, Any]) -> Table:
    table = Table("latency (ms)", "p50", "p95", "max", "each turn", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, meaning in _LATENCIES:
        if stats := (call.get("latency") or {}).get(name):
            values = "  ".join(f"{value:.0f}" for value in stats["values"][:_LIVE_LINES])
            row = (f"{name}: {meaning}", *(f"{stats[key]:.0f}" for key in ("p50", "p95", "max")), values)
            table.add_row(*row)
    return table


def _relative(path: Path) -> Path:
    absolute = path.absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute
