"""`retold keys`: make, list and revoke API keys of a data folder, also while a server runs on it."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from retold.cli.failure import fail
from retold.cli.options import load_settings

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The server's data folder; default: RETOLD_DATA_DIR, else ./data.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")] = "unnamed",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once and kept only as a hash."""
    from retold.ids import DEFAULT_ORG_ID, hash_api_key, new_api_key, shown_prefix

    key = new_api_key()

    async def work(store: Any) -> Any:
        return await store.create_api_key(DEFAULT_ORG_ID, name, hash_api_key(key), shown_prefix(key))

    made = _with_store(data_dir, work)
    if as_json:
        typer.echo(json.dumps({"key_id": made.key_id, "name": made.name, "api_key": key}))
    else:
        typer.echo(f"{key}\n  id {made.key_id}, name {made.name!r}; keep it: it is not shown again")


@app.command("list")
def list_keys(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all keys, without their secrets."""
    from retold.ids import DEFAULT_ORG_ID

    keys = _with_store(data_dir, lambda store: store.list_api_keys(DEFAULT_ORG_ID))
    if as_json:
        rows = [
            {
                "key_id": key.key_id,
                "name": key.name,
                "prefix": key.prefix,
                "created_ms": key.created_ms,
                "revoked_ms": key.revoked_ms,
            }
            for key in keys
        ]
        typer.echo(json.dumps(rows))
        return
    for key in keys:
        state = "revoked" if key.revoked_ms else "active"
        typer.echo(f"{key.key_id}  {key.prefix}...  {state:8} {_day(key.created_ms)}  {key.name}")
    if not keys:
        typer.echo("no keys; `retold keys create` makes one")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id that `retold keys list` shows.")], data_dir: DataDir = None
) -> None:
    """Make a key worthless, at once and for good."""
    from retold.ids import DEFAULT_ORG_ID, KeyId

    if not _with_store(data_dir, lambda store: store.revoke_api_key(DEFAULT_ORG_ID, KeyId(key_id))):
        raise fail(f"no active key {key_id}", "`retold keys list` shows the ids")
    typer.echo(f"{key_id} is revoked")


def _with_store(data_dir: Path | None, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    import anyio

    from retold.clock import SystemClock
    from retold.errors import RetoldError
    from retold.storage.store import Store

    folder = load_settings(data_dir=data_dir).data_dir

    async def run() -> Any:
        store = await Store.open(folder, clock=SystemClock())
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return anyio.run(run)
    except (RetoldError, OSError) as error:
        raise fail(f"data folder {folder}: {error}", "check --data-dir and the rights on it") from error


def _day(wall_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d")
