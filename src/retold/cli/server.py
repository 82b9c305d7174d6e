"""Runs one server in this process: banner, signals, drain."""

import errno
import gc
import importlib.resources
import importlib.util
import socket
import sys
from pathlib import Path
from signal import SIGINT, SIGTERM

import anyio
import structlog
import typer
from anyio.abc import TaskStatus

from retold import __version__
from retold.app import App, bind, build_app, listening
from retold.cli.failure import fail
from retold.clock import SystemClock
from retold.domain.agent import DEMO_AGENT_ID
from retold.errors import StorageError
from retold.log import set_up_logging
from retold.settings import Settings

END_TIMEOUT_S = 5.0
"""After the second signal, running calls have this long to be ended and written down."""

log = structlog.stdlib.get_logger()


def run(settings: Settings) -> int:
    """Serve until told to stop; gives the exit code."""
    set_up_logging(settings.log_level, settings.log_format)
    listener = _bind(settings)
    try:
        return anyio.run(_serve, settings, listener, backend_options={"use_uvloop": _has_uvloop()})
    except StorageError as error:
        raise fail(str(error), f"check the data folder {settings.data_dir}: `retold doctor`") from error
    except OSError as error:
        raise fail(
            f"cannot use {error.filename or settings.data_dir}: {(error.strerror or str(error)).lower()}",
            f"choose another folder with --data-dir, or: chown -R $(id -u) {settings.data_dir}",
        ) from error
    finally:
        listener.close()


async def _serve(settings: Settings, listener: socket.socket) -> int:
    signals = _Signals()
    async with build_app(settings, SystemClock()).running() as app, anyio.create_task_group() as tasks:
        await tasks.start(signals.watch)
        async with listening(app.asgi, listener) as url:
            app.listens_at(url)
            # What has been loaded stays: a full collection that walks through it holds up all calls for 0.1 s.
            gc.freeze()
            _print_banner(app, url)
            await signals.first.wait()
            await _drain(app, signals)
        tasks.cancel_scope.cancel()
    return 0


class _Signals:
    """SIGTERM and SIGINT as events: the first asks to drain, the second to hurry."""

    def __init__(self) -> None:
        self.first = anyio.Event()
        self.second = anyio.Event()

    async def watch(self, *, task_status: TaskStatus[None]) -> None:
        """Set the events as signals come."""
        with anyio.open_signal_receiver(SIGTERM, SIGINT) as received:
            task_status.started()
            async for _ in received:
                (self.second if self.first.is_set() else self.first).set()


async def _drain(app: App, signals: _Signals) -> None:
    """Refuse calls, let running ones finish; after the second signal end them."""
    log.info("drain_started", calls=app.live.active)
    async with anyio.create_task_group() as tasks:

        async def hurry() -> None:
            await signals.second.wait()
            log.warning("calls_ended_by_second_signal", calls=app.live.active)
            with anyio.move_on_after(END_TIMEOUT_S):
                await app.live.end_all()
            tasks.cancel_scope.cancel()

        tasks.start_soon(hurry)
        await app.live.drain()
        tasks.cancel_scope.cancel()


def _print_banner(app: App, url: str) -> None:
    program = sys.argv[0] if sys.argv[0].endswith("retold") else f"{sys.executable} -m retold"
    key = app.first_key or "YOUR_API_KEY"
    lines = [f"Retold {__version__} is ready at {url}"]
    if app.first_key:
        lines += [f"  API key     {key}", f"              shown this once; `{program} keys create` makes another"]
    elif app.settings.api_key:
        lines += ["  API key     the one in RETOLD_API_KEY"]
    else:
        lines += [f"  API key     the one you have; `{program} keys create` makes another"]
    lines += [
        f"  Demo agent  {DEMO_AGENT_ID}",
        "  Place a call to it:",
        f"    {program} call {_scenario()} --server {url} --api-key {key}",
    ]
    typer.echo("\n".join(lines))
    sys.stdout.flush()


def _scenario() -> str:
    """The shipped scenario of a first call, named as short as it can be from here."""
    path = Path(str(importlib.resources.files("retold.caller") / "scenarios" / "booking.yaml"))
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _bind(settings: Settings) -> socket.socket:
    try:
        return bind(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        match error.errno:
            case errno.EADDRINUSE:
                fix = "stop the program that uses it, or choose another: --port 0 takes a free one"
                raise fail(f"{where} is in use", fix) from error
            case errno.EACCES:
                raise fail(f"no right to listen on {where}", "choose a port above 1023 with --port") from error
            case _:
                raise fail(
                    f"cannot listen on {where}: {error.strerror or error}",
                    "choose an address of this machine with --host",
                ) from error


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None
