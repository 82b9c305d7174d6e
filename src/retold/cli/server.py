"""Runs one server in this process: banner, signals, drain."""

import asyncio
import errno
import gc
import importlib.resources
import importlib.util
import os
import socket
import sys
import threading
from pathlib import Path
from signal import SIGINT, SIGTERM

import anyio
import structlog
import typer
from anyio.abc import TaskStatus

from retold import __version__
from retold.app import App, allow_descriptors, bind, build_app, listening
from retold.cli.failure import fail
from retold.clock import SystemClock
from retold.domain.agent import DEMO_AGENT_ID
from retold.errors import StorageError
from retold.log import set_up_logging
from retold.settings import Settings
from retold.storage.disk import Disk
from retold.storage.store import Store
from retold.threads import share_heaps, started_pool

LAST_RESORT_S = 4.8
"""This long after the second signal the process is gone, whatever still runs: a thread, a disk that does not answer."""

log = structlog.stdlib.get_logger()


def run(settings: Settings, disk: Disk | None = None, *, has_fixtures: bool = False) -> int:
    """Serve until told to stop, or until the disk fails; gives the exit code."""
    share_heaps()
    set_up_logging(settings.log_level, settings.log_format)
    allow_descriptors(settings.connection_limit)
    listener = _bind(settings)
    try:
        return anyio.run(_serve, settings, listener, disk, has_fixtures, backend_options={"use_uvloop": _has_uvloop()})
    except StorageError as error:
        raise fail(
            str(error), f"check the data folder {settings.data_dir} and the database: `retold doctor`"
        ) from error
    except OSError as error:
        raise fail(
            f"cannot use {error.filename or settings.data_dir}: {(error.strerror or str(error)).lower()}",
            f"choose another folder with --data-dir, or: chown -R $(id -u) {settings.data_dir}",
        ) from error
    finally:
        listener.close()


async def _serve(settings: Settings, listener: socket.socket, disk: Disk | None, has_fixtures: bool) -> int:
    leaving = _Leaving()
    asyncio.get_running_loop().set_default_executor(started_pool())
    built = build_app(settings, SystemClock(), disk, has_fixtures=has_fixtures)
    async with built.running() as app, anyio.create_task_group() as tasks:
        await tasks.start(leaving.watch_signals)
        tasks.start_soon(leaving.watch_storage, app.store)
        async with listening(app.asgi, listener, app.live.left_s, connection_limit=settings.connection_limit) as url:
            app.listens_at(url)
            # What has been loaded stays: a full collection that walks through it holds up all calls for 0.1 s.
            gc.freeze()
            _print_banner(app, url)
            await leaving.asked.wait()
            await _drain(app, leaving)
        tasks.cancel_scope.cancel()
    return leaving.exit_code


class _Leaving:
    """Why the server leaves: the first SIGTERM or SIGINT asks it to, a second or a failed disk makes it hurry."""

    def __init__(self) -> None:
        self.asked = anyio.Event()
        self.hurried = anyio.Event()
        self.exit_code = 0

    async def watch_signals(self, *, task_status: TaskStatus[None]) -> None:
        """Set the events as signals come."""
        with anyio.open_signal_receiver(SIGTERM, SIGINT) as received:
            task_status.started()
            async for _ in received:
                if self.asked.is_set():
                    self._hurry()
                self.asked.set()

    async def watch_storage(self, store: Store) -> None:
        """Leave with an error once the disk has failed, so that a supervisor starts a server anew."""
        await store.broken.wait()
        self.exit_code = 1
        self._hurry()
        self.asked.set()

    def _hurry(self) -> None:
        if not self.hurried.is_set():
            self.hurried.set()
            # What is acknowledged is on the disk, and the next start recovers the rest, as after a crash.
            last_resort = threading.Timer(LAST_RESORT_S, os._exit, [self.exit_code])
            last_resort.daemon = True
            last_resort.start()


async def _drain(app: App, leaving: _Leaving) -> None:
    """Refuse calls and let running ones finish; in a hurry, end them."""
    log.info("drain_started", calls=app.live.active)
    async with anyio.create_task_group() as tasks:

        async def hurry() -> None:
            await leaving.hurried.wait()
            log.warning("calls_are_ended", calls=app.live.active)
            if not await app.live.end_all():
                log.warning("calls_left_to_recovery")
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
    elif app.is_key_revoked:
        lines += [
            "  API key     the one in RETOLD_API_KEY was revoked and opens nothing;",
            f"              unset it, and use another: `{program} keys create` makes one",
        ]
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
