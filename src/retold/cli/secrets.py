"""`retold secrets`: what is sealed under the master key, and changing that key while servers run."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from retold.cli.failure import fail
from retold.cli.keys import AsJson, DataDir, length_s, with_store

if TYPE_CHECKING:
    from retold.storage.secrets import SealedSecrets
    from retold.storage.store import Store

app = typer.Typer(help="Check what is encrypted, and change the key.", no_args_is_help=True, rich_markup_mode=None)
_LEAST_GRACE = "60s"
"""What a server has begun to seal is on the disk within half of that, or refused."""


@app.command()
def check(data_dir: DataDir = None, *, as_json: AsJson = False) -> None:
    """Open every stored secret; exit code 1 when one cannot be read."""
    found: SealedSecrets = with_store(data_dir, lambda store: store.secrets.count())
    if as_json:
        typer.echo(json.dumps({"current": found.current, "former": found.former, "lost": found.lost}))
    else:
        typer.echo(f"{found.current} under the master key, {found.former} under a former one, {found.lost} under none")
    if found.lost:
        raise fail(f"{found.lost} stored secrets cannot be read", "restore master.key or RETOLD_MASTER_KEY")


@app.command()
def rotate(
    grace: Annotated[
        str, typer.Option(help="How long a former key of the file still opens what a server may be sealing.")
    ] = _LEAST_GRACE,
    *,
    data_dir: DataDir = None,
) -> None:
    """Make another master key and seal every secret under it, while servers run; cut off, give it again."""
    from retold.errors import RetoldError

    grace_s = length_s(grace)
    try:
        with_store(data_dir, lambda store: _rotate(store, grace_s))
    except RetoldError as error:
        raise fail(str(error)) from error


async def _rotate(store: "Store", grace_s: float) -> None:
    from retold.storage.lock import alone

    with alone(store.data_dir / "rotate.lock", "the master key is being changed already; wait for the other command"):
        await _rotate_alone(store, grace_s)


async def _rotate_alone(store: "Store", grace_s: float) -> None:
    import anyio

    secrets, key = store.secrets, store.secrets.master_key
    if key.is_of_settings and not key.has_former:
        raise fail(
            "the master key is that of RETOLD_MASTER_KEY",
            "set RETOLD_MASTER_KEY=NEW,OLD for every server and restart it, then give this command with the same",
            code=2,
        )
    if not key.is_of_settings:
        key.begin_change()
    changed = await secrets.reseal()
    typer.echo(f"{changed} secrets are sealed under the new key")
    if key.is_of_settings:
        typer.echo("  once every server runs with it: take the former keys out of RETOLD_MASTER_KEY")
        return
    # A server may have read the former key and not yet written what it sealed.
    typer.echo(f"  the former key goes in {grace_s:.0f} s")
    await anyio.sleep(grace_s)
    await secrets.reseal()
    left = await secrets.count()
    if left.former:
        raise fail(f"{left.former} secrets are still sealed under the former key", "give the command again")
    key.end_change()
    typer.echo("the former key is gone; keep a copy of master.key apart")
