"""`retold doctor`: everything a server needs, each line ok or the command that mends it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from retold.cli.options import load_settings

MARKS = {"ok": "ok  ", "warning": "warn", "broken": "FAIL"}


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="The data folder to look at.")] = None,
    host: Annotated[str | None, typer.Option(help="The address a server would listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port a server would listen on.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine and the data folder; exit code 1 when something is broken."""
    from retold.cli.checks import examine

    findings = examine(load_settings(data_dir=data_dir, host=host, port=port))
    is_broken = any(finding.state == "broken" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": not is_broken, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            typer.echo(f"{MARKS[finding.state]}  {finding.name:<11} {finding.detail}")
            if finding.fix:
                typer.echo(f"      fix: {finding.fix}")
    raise typer.Exit(1 if is_broken else 0)
