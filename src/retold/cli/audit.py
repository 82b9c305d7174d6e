"""`retold audit`: read an organisation's audit log, and see whether it was altered."""

import json
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retold.cli.failure import fail
from retold.cli.keys import DEFAULT_ORG, AsJson, DataDir, OrgOption, with_store

if TYPE_CHECKING:
    from retold.domain.audit import AuditEntry
    from retold.storage.audit_log import AuditLog

app = typer.Typer(help="Read the audit log, and verify it.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_entries(
    object_id: Annotated[str | None, typer.Option("--object", help="Of one agent, number, key or call only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many entries, the last ones.")] = 50,
    org: OrgOption = DEFAULT_ORG,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the last entries, oldest first."""
    from retold.domain.page import PageQuery
    from retold.ids import OrgId

    query = PageQuery(limit=limit)
    page = _asked(data_dir, lambda log: log.page(OrgId(org), query, object_id))
    entries: list[AuditEntry] = list(reversed(page.items))
    if as_json:
        typer.echo(json.dumps([entry.wire() for entry in entries]))
        return
    for entry in entries:
        typer.echo(_line(entry))
    if not entries:
        typer.echo("no entries")


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(help="A hash that an earlier verification printed: it must still be there.")
    ] = None,
    org: OrgOption = DEFAULT_ORG,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Go through the whole log; exit code 1 when an entry was altered or taken away."""
    from retold.ids import OrgId

    verdict = _asked(data_dir, lambda log: log.verify(OrgId(org), head))
    if as_json:
        shown = {"entries": verdict.entries, "head": verdict.head, "fault": verdict.fault}
        typer.echo(json.dumps({"ok": verdict.is_good, **shown}))
    elif verdict.is_good:
        typer.echo(f"{verdict.entries} entries follow from each other; the last hash is {verdict.head}")
    if verdict.fault is not None:
        raise fail(f"entry {verdict.fault} of {org} was altered, or one before it was taken away", code=1)
    if not verdict.is_good:
        raise fail(f"no entry of {org} has the hash {head}: entries were taken away", code=1)


def _asked(data_dir: Any, ask: "Callable[[AuditLog], Coroutine[Any, Any, Any]]") -> Any:
    return with_store(data_dir, lambda store: ask(store.audit_log))


def _line(entry: "AuditEntry") -> str:
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(entry.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    who = " ".join(str(part) for part in entry.actor if part is not None)
    changed = entry.wire()["changes"]
    paths = ", ".join(list(changed)[:5]) if isinstance(changed, dict) else ""
    return f"{entry.sequence:6}  {when}  {who}: {entry.act} {entry.object_type} {entry.object_id}  {paths}".rstrip()
