"""`retold privacy`: what is kept of whom, and erasing a person, on the data folder of a server."""

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retold.cli.acting import acting_command
from retold.cli.failure import fail
from retold.cli.keys import DEFAULT_ORG, AsJson, DataDir, OrgOption
from retold.cli.options import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from retold.domain.erasure import Erasure, Person
    from retold.domain.privacy_report import PrivacyReport
    from retold.settings import Settings
    from retold.storage.store import Store

app = typer.Typer(help="See what is kept of callers, and erase it.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def erase(
    phone: Annotated[str | None, typer.Option(help="Erase the calls with this number at either end.")] = None,
    metadata: Annotated[
        str | None, typer.Option(help="key=value: erase the calls with this in their metadata.")
    ] = None,
    org: OrgOption = DEFAULT_ORG,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: what is erased does not come back.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Erase every call of a person for good, and print the proof; the server must be stopped, or be asked itself."""
    person = _person(phone, metadata)
    if not yes:
        typer.confirm(f"Erase every call of {phone or metadata} in {org} for good?", abort=True)
    proof: Erasure = _with_store(data_dir, lambda store, settings: _erase(store, settings, org, person), is_alone=True)
    if as_json:
        typer.echo(json.dumps(proof.wire()))
    else:
        _show_proof(proof)
    if not proof.is_complete:
        raise fail("something was left", "ask again; `retold doctor` looks at the disk")


@app.command()
def report(org: OrgOption = DEFAULT_ORG, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print what is kept of calls, where, for how long and why, and what was erased; also while a server runs."""
    from retold.ids import OrgId

    found: PrivacyReport = _with_store(data_dir, lambda store, _settings: store.privacy_report(OrgId(org)))
    if as_json:
        typer.echo(json.dumps(found.wire()))
        return
    typer.echo(f"{org}, database {found.database}, {_time(found.made_timestamp)}")
    for kept in found.kept_calls:
        until = "" if kept.next_erasure_timestamp is None else f", the next goes {_time(kept.next_erasure_timestamp)}"
        since = f"since {_time(kept.first_timestamp)}"
        typer.echo(f"  {kept.data_storage_setting}: {kept.calls} calls {since}, {kept.kept_for_ever} for ever{until}")
    typer.echo(f"  overdue: {found.overdue_calls}")
    for agent in found.agents:
        days = "for ever" if agent.data_storage_retention_days is None else f"{agent.data_storage_retention_days} days"
        pii = ", ".join(agent.pii_categories) or "none"
        typer.echo(f"  agent {agent.agent_id} version {agent.version}: {agent.data_storage_setting}, {days}, pii {pii}")
    kinds = ", ".join(f"{count} by {kind}" for kind, count in found.erasures.items()) or "none"
    typer.echo(f"  erased: {found.erased_calls} calls; erasures: {kinds}; unfinished: {found.unfinished_erasures}")


def _person(phone: str | None, metadata: str | None) -> "Person":
    from pydantic import ValidationError

    from retold.domain.erasure import Person

    key, equals, value = (metadata or "").partition("=")
    if (phone is None) == (metadata is None) or (metadata is not None and not equals):
        raise fail("name one person", "--phone +14155550101, or --metadata customer=c-7", code=2)
    try:
        if phone is not None:
            return Person(phone_number=phone)
        return Person(metadata_key=key, metadata_value=value)
    except ValidationError as error:
        raise fail(f"no person can be {phone or metadata!r}", "--phone +14155550101", code=2) from error


async def _erase(store: "Store", settings: "Settings", org: str, person: "Person") -> "Erasure":
    from retold.calls.erase import Eraser
    from retold.calls.finish import Archive
    from retold.calls.live import LiveCalls
    from retold.calls.unstored import UnstoredCalls
    from retold.clock import SystemClock
    from retold.ids import OrgId
    from retold.storage.disk import Disk

    if not await store.keys.list_all(OrgId(org)):
        raise fail(f"there is no organisation {org[:100]!r}", "`retold keys list --org` shows one's keys")
    clock = SystemClock()
    await store.owners.hold()
    archive = Archive(store, settings.data_dir, Disk(), UnstoredCalls(clock))
    return await Eraser(archive, LiveCalls(archive, clock, concurrency_limit=1)).person(OrgId(org), person)


def _with_store(
    data_dir: "Path | None",
    work: "Callable[[Store, Settings], Coroutine[Any, Any, Any]]",
    *,
    is_alone: bool = False,
) -> Any:
    """What `work` gives on the store of a data folder; `is_alone` is without a server that runs on it."""
    from contextlib import nullcontext

    import anyio

    from retold.clock import SystemClock
    from retold.errors import RetoldError
    from retold.settings import revealed
    from retold.storage.lock import folder_lock
    from retold.storage.store import Store

    settings = load_settings(data_dir=data_dir)

    async def run() -> Any:
        store = await Store.open(
            settings.data_dir,
            clock=SystemClock(),
            database_url=revealed(settings.database_url),
            master_key=revealed(settings.master_key),
        )
        try:
            with acting_command():
                return await work(store, settings)
        finally:
            await store.close()

    try:
        with folder_lock(settings.data_dir) if is_alone else nullcontext():
            return anyio.run(run)
    except (RetoldError, OSError) as error:
        remedy = "POST /erase-person asks a running server; else check --data-dir and the rights on it"
        raise fail(f"data folder {settings.data_dir}: {error}", remedy) from error


def _show_proof(proof: "Erasure") -> None:
    state = "complete" if proof.is_complete else "NOT complete"
    typer.echo(f"{proof.erasure_id}: {state}")
    for name, count in proof.erased.items():
        typer.echo(f"  erased {name}: {count}")
    for name, count in proof.left.items():
        typer.echo(f"  left {name}: {count}")
    typer.echo(f"  sha256 of the ids of the calls: {proof.call_ids_sha256}")


def _time(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
