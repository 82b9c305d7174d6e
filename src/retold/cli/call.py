"""`retold call` and `retold demo`: place calls and look at what came of them."""

import json
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from retold.cli.failure import fail

_Result = TypeVar("_Result")


def call(  # noqa: PLR0913, PLR0917 - one parameter per option, as typer reads them
    scenario: Annotated[Path | None, typer.Argument(help="Scenario file in YAML.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Short form: play this WAV as the caller's one turn.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the final call object and nothing else.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Folder for call.json, both recordings, log.txt, caller.json and caller.wav.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Agent id; goes before the scenario's.")] = None,
    server: Annotated[str | None, typer.Option(help="Server to call; default: one of our own for this call.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Key for --server [env RETOLD_API_KEY].")] = None,
    transport: Annotated[str, typer.Option(help="How the caller is connected: websocket.")] = "websocket",
) -> None:
    """Play the caller in real time; exit code 0 only if the call went as the scenario expects."""
    from dataclasses import replace

    from retold.caller.scenario import one_turn, read_scenario
    from retold.errors import ScenarioInvalid

    if (scenario is None) == (audio is None):
        raise fail("one of a scenario file and --audio is needed", "retold call scenario.yaml", code=2)
    if transport != "websocket":
        raise fail(f"transport {transport!r} is unknown", "--transport websocket", code=2)
    try:
        wanted = read_scenario(scenario) if scenario else one_turn(audio or Path())
    except ScenarioInvalid as error:
        raise fail(str(error), code=2) from error
    if agent:
        wanted = replace(wanted, agent=agent)
    address = _address(server, api_key)
    failures = _run(lambda: _place(wanted, address, save, as_json=as_json))
    for failure in failures:
        typer.echo(f"not as expected: {failure}", err=True)
    if failures:
        log = f"see {save / 'log.txt'}" if save else "--save DIR keeps the call's log, which says why"
        typer.echo(f"  fix: {log}", err=True)
    raise typer.Exit(1 if failures else 0)


def demo(
    save: Annotated[Path, typer.Option(help="Folder for the files of each call.")] = Path("data/demo"),
    prompts: Annotated[
        Path | None, typer.Option(help="Folder of recorded prompts [default: where Debian's package puts them].")
    ] = None,
) -> None:
    """Place three calls to the demo agent and print them: a booking, a barge-in, an agent that hangs up."""
    from retold.caller.demo import run_demo
    from retold.caller.show import report_console

    raise typer.Exit(0 if _run(lambda: run_demo(report_console(), save, prompts)) else 1)


def _address(server: str | None, api_key: str | None) -> Any:
    from retold.caller.server import ServerAddress

    if server is None:
        return None
    if not server.startswith(("http://", "https://")):
        raise fail(f"--server {server!r} is not an address", "--server http://127.0.0.1:8080", code=2)
    key = api_key or os.environ.get("RETOLD_API_KEY")
    if not key:
        raise fail("--server needs a key", "--api-key KEY, or set RETOLD_API_KEY", code=2)
    return ServerAddress(server.rstrip("/"), key)


async def _place(scenario: Any, address: Any, save: Path | None, *, as_json: bool) -> tuple[str, ...]:
    from rich.console import Console

    from retold.caller.run import SAMPLE_RATE, Caller
    from retold.caller.server import own_server
    from retold.caller.show import LiveView
    from retold.caller.voice import prepare
    from retold.clock import SystemClock
    from retold.settings import Settings

    passages = await prepare(scenario.steps, Settings(), SAMPLE_RATE)
    async with AsyncExitStack() as stack:
        target = address or await stack.enter_async_context(own_server())
        is_watched = sys.stdout.isatty() and not as_json
        view = stack.enter_context(LiveView(Console(stderr=True), is_kept=True)) if is_watched else None
        result = await Caller(target, SystemClock()).place(scenario, passages, save_in=save, watcher=view)
    print(json.dumps(result.call, indent=2, ensure_ascii=False))
    return result.failures


def _run(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    from retold.cli.stop import run_until_stopped
    from retold.errors import RetoldError

    try:
        result = run_until_stopped(work)
    except RetoldError as error:
        raise fail(str(error)) from error
    if result is None:
        raise typer.Abort
    return result
