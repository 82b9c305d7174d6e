"""`retold webhooks`: see what your server sends, and steer it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from retold.cli import webhook_commands
from retold.cli.api_client import Api, KeyOption, ServerOption
from retold.cli.failure import fail

app = typer.Typer(help="See and steer webhooks.", no_args_is_help=True, rich_markup_mode=None)


app.command("listen")(webhook_commands.listen)
app.command("secret")(webhook_commands.secret)

CallOption = Annotated[str | None, typer.Option("--call", help="Only events of this call.")]
EventOption = Annotated[str | None, typer.Option("--event", help="Only this event, such as call_ended.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="2h, 3d, or a time such as 2026-11-23T14:00.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="The same.")]
StateOption = Annotated[str | None, typer.Option("--state", help="pending, delivered, dead or dropped.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest ones.")]
UrlOption = Annotated[str | None, typer.Option("--to", help="Send to this address from now on.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer.")]
EventArgument = Annotated[str, typer.Argument(help="The id that `retold webhooks list` shows.")]


@app.command("list")
def list_events(  # noqa: PLR0913 - one option each
    state: StateOption = None,
    call: CallOption = None,
    event: EventOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 20,
    *,
    as_json: AsJson = False,
    server: ServerOption = None,
    api_key: KeyOption = None,
) -> None:
    """List events and how far their delivery is, the newest one first."""
    times = {"since_timestamp": _moment(since), "until_timestamp": _moment(until)}
    query = {"state": state, "call_id": call, "event": event, "limit": limit, **times}
    answer = Api.of(server, api_key).ask("GET", "/list-webhook-events", query=query)
    _print_events(answer, as_json=as_json, none="no such events; they are kept for some days after their delivery")


@app.command()
def dead(
    since: SinceOption = None,
    limit: LimitOption = 20,
    *,
    as_json: AsJson = False,
    server: ServerOption = None,
    api_key: KeyOption = None,
) -> None:
    """List events that were given up, the newest one first."""
    query = {"state": "dead", "limit": limit, "since_timestamp": _moment(since)}
    answer = Api.of(server, api_key).ask("GET", "/list-webhook-events", query=query)
    _print_events(answer, as_json=as_json, none="no event was given up")
    if answer["items"] and not as_json:
        typer.echo("`retold webhooks replay` sends them all again, `retold webhooks resend ID` one.")


@app.command()
def show(
    event_id: EventArgument, *, as_json: AsJson = False, server: ServerOption = None, api_key: KeyOption = None
) -> None:
    """Show one event: its body and every attempt to deliver it."""
    from retold.cli import webhook_words as words

    event = Api.of(server, api_key).ask("GET", f"/get-webhook-event/{_quoted(event_id)}")
    if as_json:
        _line(json.dumps(event))
        return
    now_ms = _now_ms()
    typer.echo(words.event_line(event, now_ms))
    typer.echo(f"to {words.shown(event['url'], 2_048)}")
    for attempt in event["attempts"]:
        typer.echo(words.attempt_line(attempt, now_ms))
    typer.echo(json.dumps(event["body"], indent=2))


@app.command()
def resend(
    event_id: EventArgument,
    to: UrlOption = None,
    *,
    as_json: AsJson = False,
    server: ServerOption = None,
    api_key: KeyOption = None,
) -> None:
    """Send one event again, at once; its id stays the same."""
    answer = Api.of(server, api_key).ask("POST", f"/resend-webhook-event/{_quoted(event_id)}", body={"url": to})
    _line(
        json.dumps(answer)
        if as_json
        else f"{answer['event_id']} is sent again; `retold webhooks show` says how it went"
    )


@app.command()
def replay(  # noqa: PLR0913 - one option each
    state: StateOption = "dead",
    call: CallOption = None,
    event: EventOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    to: UrlOption = None,
    *,
    as_json: AsJson = False,
    server: ServerOption = None,
    api_key: KeyOption = None,
) -> None:
    """Send many events again: all that were given up, or others by state, call, event and time."""
    if state == "delivered" and not (call or event or since or until):
        raise fail("that would send everything again that ever arrived", "name --since, --call or --event", code=2)
    times = {"since_timestamp": _moment(since), "until_timestamp": _moment(until)}
    body = {"state": state, "call_id": call, "event": event, "url": to, **times}
    answer = Api.of(server, api_key).ask("POST", "/replay-webhook-events", body=body)
    count = answer["replayed_count"]
    _line(
        json.dumps(answer) if as_json else "1 event is sent again" if count == 1 else f"{count} events are sent again"
    )


@app.command()
def endpoints(*, as_json: AsJson = False, server: ServerOption = None, api_key: KeyOption = None) -> None:
    """Say how the receivers are doing that have events waiting or are in trouble."""
    from retold.cli.webhook_words import endpoint_words

    answer = Api.of(server, api_key).ask("GET", "/list-webhook-endpoints")
    if as_json:
        _line(json.dumps(answer))
        return
    for endpoint in answer:
        typer.echo(endpoint_words(endpoint, _now_ms()))
    if not answer:
        typer.echo("all webhooks are well, and nothing waits")


@app.command()
def enable(
    endpoint_id: Annotated[str, typer.Argument(help="The id that `retold webhooks endpoints` shows.")],
    *,
    server: ServerOption = None,
    api_key: KeyOption = None,
) -> None:
    """Send events to a receiver again that has answered 410, or that failed too often."""
    Api.of(server, api_key).ask("POST", f"/enable-webhook-endpoint/{_quoted(endpoint_id)}")
    typer.echo("it has events again; `retold webhooks replay --state dropped` sends what it missed")


def _print_events(answer: Mapping[str, Any], *, as_json: bool, none: str) -> None:
    from retold.cli.webhook_words import event_line

    if as_json:
        _line(json.dumps(answer))
        return
    now_ms = _now_ms()
    for event in answer["items"]:
        typer.echo(event_line(event, now_ms))
    if not answer["items"]:
        typer.echo(none)
    elif answer["has_more"]:
        typer.echo("and more; --limit or --until shows them")


def _moment(text: str | None) -> int | None:
    from retold.cli.webhook_words import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text, _now_ms())
    except (ValueError, OverflowError) as error:
        raise fail(f"{text[:100]!r} is no time", "write 2h, 3d, or 2026-11-23T14:00", code=2) from error


def _now_ms() -> int:
    from retold.clock import SystemClock

    return SystemClock().wall_ms()


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part, safe="")


def _line(text: str) -> None:
    # What a pipe gets is one line, whatever it is.
    print(text)
