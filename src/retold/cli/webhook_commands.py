"""The commands of `retold webhooks` that need no server: a receiver to try things out, the secret to verify with."""

import os
from typing import Annotated

import typer

from retold.cli.api_client import KeyOption
from retold.cli.failure import fail


def listen(  # noqa: PLR0913 - one option each
    port: Annotated[int, typer.Option(help="Port to listen on, 0 takes a free one.")] = 9000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    api_key: Annotated[
        str | None, typer.Option(help="The key that signs webhooks, to verify with [env RETOLD_API_KEY].")
    ] = None,
    fail_with: Annotated[
        int | None, typer.Option("--fail", min=200, max=599, help="Answer with this status, to see retries.")
    ] = None,
    times: Annotated[
        int | None, typer.Option(min=1, help="Fail only so many deliveries of each event, then take it.")
    ] = None,
    *,
    body: Annotated[bool, typer.Option("--body", help="Print whole bodies too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each delivery as a line of JSON.")] = False,
) -> None:
    """Take webhooks on this machine, print and verify each; 204 is the answer."""
    from http import HTTPStatus

    from rich.console import Console

    from retold.cli import webhook_listener
    from retold.cli.stop import run_until_stopped
    from retold.clock import SystemClock

    if times is not None and fail_with is None:
        raise fail("--times says how often to fail, and --fail is missing", "--fail 500", code=2)
    console = Console()
    show = (
        webhook_listener.as_json(_line) if as_json else webhook_listener.in_words(console, _time_of_day, with_body=body)
    )
    answers = webhook_listener.Answers(fail_with or HTTPStatus.NO_CONTENT, times)
    listener = webhook_listener.Listener(SystemClock(), api_key or os.environ.get("RETOLD_API_KEY"), answers, show)
    try:
        run_until_stopped(lambda: webhook_listener.listen(host, port, listener, _say_ready))
    except OSError as error:
        raise fail(f"cannot listen on {host} port {port}: {error.strerror or error}", "--port 0") from error
    except KeyboardInterrupt:
        # How a person ends it.
        return


def secret(api_key: KeyOption = None) -> None:
    """Print the secret for a Standard Webhooks library, made here of the key that signs webhooks."""
    from retold.domain.standard_webhooks import secret_of

    key = api_key or os.environ.get("RETOLD_API_KEY")
    if not key:
        raise fail("the secret is made of the key that signs webhooks", "--api-key KEY", code=2)
    typer.echo(secret_of(key))


def _say_ready(url: str) -> None:
    where = url.partition("//")[2]
    _line_to_stderr(
        f"Webhooks sent to {url}/ are shown here; Ctrl-C ends this.\n"
        f"  A server may reach it with RETOLD_ALLOW_PRIVATE_HOSTS={where}"
    )


def _line(text: str) -> None:
    # Whoever reads a pipe has each delivery at once.
    print(text, flush=True)


def _line_to_stderr(text: str) -> None:
    typer.echo(text, err=True)


def _time_of_day(wall_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone().strftime("%H:%M:%S")
