"""`retold serve`: start a server, say how to reach it, drain it on SIGTERM."""

import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from retold.cli.options import load_settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [env RETOLD_HOST; default 127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, 0 takes a free one [env RETOLD_PORT; default 8080].")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder that holds everything kept [env RETOLD_DATA_DIR; default ./data].")
    ] = None,
    fixtures: Annotated[
        bool, typer.Option("--fixtures", help="For tests only: have what the official SDK's own tests ask for.")
    ] = False,
) -> None:
    """Run the server until SIGTERM or Ctrl-C; running calls end first, a second signal ends them at once."""
    with _hidden("rich"):
        # structlog takes it along where it finds it, for tracebacks in colour that a server does not draw: 3 MB.
        importlib.import_module("structlog")

    with _hidden("pydantic.v1"):
        # FastAPI asks of every type whether it is of pydantic's first version, and loads all of that to know: 1.5 MB.
        from retold.cli.server import run

        code = run(load_settings(host=host, port=port, data_dir=data_dir), has_fixtures=fixtures)
    raise typer.Exit(code)


@contextmanager
def _hidden(package: str) -> Generator[None]:
    """Let imports not find a package that they can do without; does nothing when it is there already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # pyright: ignore[reportArgumentType] - how Python marks what cannot be imported
    try:
        yield
    finally:
        del sys.modules[package]
