"""`retold backup` and `retold restore`: everything a server keeps in one file, and back."""

import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from retold.cli.failure import fail
from retold.cli.options import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_NICENESS = 10
"""Calls go first."""
_TELL_EVERY_MS = 1_000
_MB = 1_000_000


def backup(
    target: Annotated[Path, typer.Argument(help="File to make, or the folder it goes into; .tar is not compressed.")],
    data_dir: Annotated[Path | None, typer.Option(help="The server's data folder; default: as `retold serve`.")] = None,
    *,
    with_master_key: Annotated[
        bool, typer.Option("--with-master-key", help="Put the key in that opens the stored secrets.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a backup, also while the server runs: rows, recordings, logs and the audio of running calls."""
    from retold.clock import SystemClock
    from retold.settings import revealed
    from retold.storage.backup.make import Source, back_up
    from retold.storage.master_key import MasterKey

    settings = load_settings(data_dir=data_dir)
    folder = settings.data_dir
    with _quietly():
        master_key = MasterKey(folder, revealed(settings.master_key)).text if with_master_key else None
        source = Source(data_dir=folder, database_url=revealed(settings.database_url), master_key=master_key)
        made = back_up(source, target, clock=SystemClock(), tell=_progress())
    if as_json:
        shown = {name: getattr(made, name) for name in ("size", "made_ms", "calls", "running_calls", "files")}
        typer.echo(json.dumps({"path": str(made.path), **shown, "has_master_key": with_master_key}))
        return
    typer.echo(f"{made.path}: {made.calls} calls, {made.files} files, {made.size / _MB:.1f} MB")
    if made.running_calls:
        typer.echo(f"  {made.running_calls} calls were not over; a server on the restored folder ends them")
    if not with_master_key:
        typer.echo("  the master key is not in it: keep a copy apart, or stored secrets cannot be read again")


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    data_dir: Annotated[Path | None, typer.Option(help="The folder to make; it must be empty or not there.")] = None,
    *,
    is_check: Annotated[bool, typer.Option("--check", help="Only read the backup and compare all of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a data folder of a backup; with RETOLD_DATABASE_URL its rows go into that database, which must be empty."""
    from retold.settings import revealed
    from retold.storage.backup.restore import check_backup
    from retold.storage.backup.restore import restore as restore_backup

    if is_check == (data_dir is not None):
        raise fail("one of --data-dir and --check is needed", f"retold restore {file} --data-dir NEW", code=2)
    with _quietly():
        if data_dir is None:
            manifest = check_backup(file, _progress())
            typer.echo(json.dumps({"made_ms": manifest.made_ms, "made_by": manifest.made_by}) if as_json else "ok")
            return
        settings = load_settings(data_dir=data_dir)
        done = restore_backup(file, data_dir, revealed(settings.database_url), _progress())
    if as_json:
        counts = {"calls": done.calls, "running_calls": done.running_calls, "files": done.files}
        typer.echo(json.dumps({"data_dir": str(data_dir), **counts, "has_master_key": done.has_master_key}))
        return
    typer.echo(f"{data_dir}: {done.calls} calls, {done.files} files; retold serve --data-dir {data_dir} serves them")
    if done.running_calls:
        typer.echo(f"  {done.running_calls} calls were not over; they are ended when it starts")
    if not done.has_master_key and settings.master_key is None:
        typer.echo(
            f"  the backup has no master key: put the old server's into {data_dir / 'master.key'} or RETOLD_MASTER_KEY"
            " before it starts"
        )


@contextmanager
def _quietly() -> Generator[None]:
    """Stay out of the way of calls; a stop or a refusal ends the command with one line, and tidied up."""
    from retold.errors import RetoldError

    signal.signal(signal.SIGTERM, _stop)
    os.nice(_NICENESS)
    try:
        yield
    except (RetoldError, OSError) as error:
        raise fail(str(error)) from error


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _progress() -> Callable[[str, int, int | None], None]:
    """Says once a second how far it is: on a terminal in one line, else in lines of a log."""
    from retold.clock import SystemClock

    clock = SystemClock()
    is_watched = sys.stderr.isatty()
    told_ms = clock.monotonic_ms()

    def tell(what: str, done: int, total: int | None) -> None:
        nonlocal told_ms
        now_ms = clock.monotonic_ms()
        if now_ms - told_ms < _TELL_EVERY_MS:
            return
        told_ms = now_ms
        line = f"{what}: {done:,}" + (f" of {total:,}" if total else "")
        typer.echo(f"\r{line:<60}" if is_watched else line, err=True, nl=not is_watched)

    return tell
