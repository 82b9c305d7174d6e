"""`retold keys`: make, list, roll and revoke API keys of a data folder, also while a server runs on it."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retold.cli.acting import acting_command
from retold.cli.failure import fail
from retold.cli.options import load_settings

if TYPE_CHECKING:
    from retold.domain.api_key import ApiKey, NewKey
    from retold.storage.keys import Keys
    from retold.storage.store import Store

app = typer.Typer(help="Make, list, roll and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The server's data folder; default: RETOLD_DATA_DIR, else ./data.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OrgOption = Annotated[str, typer.Option("--org", help="The organisation's id.")]
KeyArgument = Annotated[str, typer.Argument(help="The id that `retold keys list` shows.")]
DEFAULT_ORG = "org_default"


@app.command()
def create(  # noqa: PLR0913 - one option each
    name: Annotated[str, typer.Option(help="What the key is for.")] = "unnamed",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="read, write, calls, web_calls or admin; may be repeated; default: all of them."),
    ] = None,
    expires_in: Annotated[str | None, typer.Option(help="30d, 12h or 45m; default: never.")] = None,
    *,
    is_webhook_key: Annotated[
        bool, typer.Option("--webhook", help="Sign webhooks with it, in place of the key so far.")
    ] = False,
    org: Annotated[str, typer.Option("--org", help="The organisation's id; it is made when there is none.")] = (
        DEFAULT_ORG
    ),
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown once and kept only as a hash, a webhook key also encrypted."""
    from retold.clock import SystemClock
    from retold.domain.scopes import PUBLIC_SCOPES
    from retold.ids import new_api_key, new_public_key

    ends_ms = None if expires_in is None else SystemClock().wall_ms() + length_s(expires_in) * 1000
    fields: dict[str, Any] = {"api_key_name": name, "expires_timestamp": ends_ms, "is_webhook_key": is_webhook_key}
    wanted = _new_key(fields | ({"scopes": scope} if scope else {}))
    secret = new_public_key() if wanted.scopes == PUBLIC_SCOPES else new_api_key()
    made = _with_keys(data_dir, lambda keys: keys.create(_org(org), secret, wanted))
    _show_secret(made, secret, as_json=as_json)


@app.command("list")
def list_keys(org: OrgOption = DEFAULT_ORG, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all keys of an organisation, without their secrets."""
    from retold.clock import SystemClock

    keys: list[ApiKey] = _with_keys(data_dir, lambda keys: keys.list_all(_org(org)))
    if as_json:
        typer.echo(json.dumps([key.wire() for key in keys]))
        return
    now_ms = SystemClock().wall_ms()
    for key in keys:
        typer.echo(f"{key.api_key_id}  {key.key_prefix}...  {_state(key, now_ms)}  {key.api_key_name}")
    if not keys:
        typer.echo("no keys; `retold keys create` makes one")


@app.command()
def roll(
    key_id: KeyArgument,
    grace: Annotated[str, typer.Option(help="How long the old key goes on working: 0s to 7d.")] = "1d",
    org: OrgOption = DEFAULT_ORG,
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one of the same name and scopes; the old one works until the grace is over."""
    from retold.domain.api_key import MAX_GRACE_S
    from retold.ids import KeyId, new_api_key

    grace_s = length_s(grace)
    if grace_s > MAX_GRACE_S:
        raise fail(f"a grace of {grace} is too long", "give 7d or less")
    secret = new_api_key()
    made = _with_keys(data_dir, lambda keys: keys.roll(_org(org), KeyId(key_id), secret, grace_s))
    if made is None:
        raise fail(f"no active key {key_id}", "`retold keys list` shows the ids")
    _show_secret(made, secret, as_json=as_json)


@app.command()
def revoke(key_id: KeyArgument, org: OrgOption = DEFAULT_ORG, data_dir: DataDir = None) -> None:
    """Make a key worthless, at once and for good."""
    from retold.ids import KeyId

    if not _with_keys(data_dir, lambda keys: keys.revoke(_org(org), KeyId(key_id))):
        raise fail(f"no active key {key_id}", "`retold keys list` shows the ids")
    typer.echo(f"{key_id} is revoked")


def _with_keys(data_dir: Path | None, work: "Callable[[Keys], Coroutine[Any, Any, Any]]") -> Any:
    return with_store(data_dir, lambda store: work(store.keys))


def with_store(data_dir: Path | None, work: "Callable[[Store], Coroutine[Any, Any, Any]]") -> Any:
    """What comes of work on a data folder, whether or not a server runs on it; a refusal ends the command."""
    import anyio

    from retold.clock import SystemClock
    from retold.errors import RetoldError
    from retold.settings import revealed
    from retold.storage.store import Store

    settings = load_settings(data_dir=data_dir)
    folder = settings.data_dir

    async def run() -> Any:
        store = await Store.open(
            folder,
            clock=SystemClock(),
            database_url=revealed(settings.database_url),
            master_key=revealed(settings.master_key),
        )
        try:
            with acting_command():
                return await work(store)
        finally:
            await store.close()

    try:
        return anyio.run(run)
    except (RetoldError, OSError) as error:
        raise fail(f"data folder {folder}: {error}", "check --data-dir and the rights on it") from error


def _new_key(fields: dict[str, Any]) -> "NewKey":
    from pydantic import ValidationError

    from retold.domain.api_key import NewKey

    try:
        return NewKey(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise fail(f"{first['loc'][0]}: {first['msg']}, got {str(first['input'])[:100]!r}") from error


def _org(org: str) -> Any:
    import re

    from retold.ids import OrgId

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", org):
        raise fail(f"{org[:100]!r} cannot be an organisation's id", "use 1 to 64 letters, digits, _ and -")
    return OrgId(org)


def length_s(text: str) -> int:
    """The seconds of 30d, 12h, 45m or 10s; anything else ends the command."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not (text[:-1].isascii() and text[:-1].isdigit() and len(text) < 8 and text[-1] in units):
        raise fail(f"{text[:100]!r} is no length of time", "write a number and s, m, h or d: 30d")
    return int(text[:-1]) * units[text[-1]]


def _show_secret(made: "ApiKey", secret: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**made.wire(), "api_key": secret}))
        return
    typer.echo(f"{secret}\n  id {made.api_key_id}, name {made.api_key_name!r}; keep it: it is not shown again")


def _state(key: "ApiKey", now_ms: int) -> str:
    state = "active" if key.is_usable(now_ms) else "expired" if key.revoked_timestamp is None else "revoked"
    used = "never used" if key.last_used_timestamp is None else f"used {_day(key.last_used_timestamp)}"
    ends = f", until {_day(key.expires_timestamp)}" if key.expires_timestamp is not None else ""
    mark = ", signs webhooks" if key.is_webhook_key else ""
    return f"{state:8} {_day(key.created_timestamp)}  {used:15}  {','.join(key.scopes)}{ends}{mark}"


def _day(wall_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d")
