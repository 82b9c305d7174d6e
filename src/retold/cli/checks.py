"""The checks of `retold doctor`; each looks at one thing and changes nothing."""

import errno
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib import error, request

from retold.app.listen import bind
from retold.cli.finding import Finding
from retold.cli.job_checks import check_jobs
from retold.cli.language_model import check_language_model
from retold.cli.sandbox import check_sandbox
from retold.cli.webhook_checks import check_webhooks
from retold.clock import SystemClock
from retold.errors import StorageError
from retold.providers.models import local_models
from retold.settings import Settings, revealed

LEAST_PYTHON = (3, 11)
LEAST_CLOCK_S = 1_735_689_600
"""1 January 2025: a clock before it was never set."""
LATEST_CLOCK_S = 4_102_444_800
"""1 January 2100."""
LOW_DISK_MB = 1_024
"""Below this, a warning; an hour of recorded calls takes about 1 GB at 24 kHz."""
_MB = 1024 * 1024

Version = tuple[int, int, int]


def examine(settings: Settings) -> list[Finding]:
    """Look at everything a server with these settings needs."""
    return [
        check_python(sys.version_info[:3]),
        check_database(revealed(settings.database_url)),
        *check_models(settings),
        check_language_model(settings.llm),
        check_sandbox(settings),
        check_port(settings.host, settings.port),
        check_clock(SystemClock().wall_ms() / 1000),
        check_rights(settings.data_dir),
        check_disk(settings.data_dir, settings.min_free_disk_mb),
        *check_webhooks(settings),
        *check_jobs(settings),
    ]


def check_python(version: Version) -> Finding:
    """3.11 or later."""
    shown = ".".join(map(str, version))
    if version[:2] < LEAST_PYTHON:
        return Finding("python", "broken", f"{shown} is too old", "install Python 3.11 or later")
    return Finding("python", "ok", f"{shown} ({platform.machine()})")


def grade_sqlite(version: Version) -> Finding:
    """The WAL-reset bug can lose committed pages when two connections checkpoint at once.

    It is in 3.7.0 to 3.51.2, mended in 3.51.3 and, by backport, from 3.50.7 and 3.44.6 on within their series. Retold
    avoids it on every version, because only one connection writes and checkpoints; a mended one is a second lock.
    """
    shown = ".".join(map(str, version))
    if version < (3, 35, 0):
        return Finding("sqlite", "broken", f"{shown} is too old", "install a Python built with SQLite 3.35 or later")
    is_mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    if is_mended:
        return Finding("sqlite", "ok", f"{shown}, free of the WAL-reset bug")
    return Finding(
        "sqlite",
        "ok",
        f"{shown} has the WAL-reset bug (3.7.0 to 3.51.2); harmless here, since one connection writes at a time."
        " Do not open the database for writing with another program while the server runs",
    )


def check_database(url: str | None) -> Finding:
    """PostgreSQL answers and lets us make tables, or SQLite is new enough."""
    if url is None:
        return grade_sqlite(_parse(sqlite3.sqlite_version))
    try:
        from retold.storage.postgres import server_version
    except ImportError:
        return Finding("postgresql", "broken", "its driver is missing", "pip install 'retold[postgres]'")
    try:
        return Finding("postgresql", "ok", f"{server_version(url)} answers and lets us make tables")
    except StorageError as failure:
        return Finding("postgresql", "broken", str(failure), "check RETOLD_DATABASE_URL and the database server")


def check_models(settings: Settings) -> Iterator[Finding]:
    """The packages and files of the embedded speech engines that the settings choose."""
    is_wanted = {
        "silero": settings.vad == "local",
        "whisper": settings.stt == "local",
        "hibari": settings.tts == "local",
    }
    for model in local_models(settings.local):
        if not is_wanted.get(model.name, True):
            yield Finding(model.name, "ok", f"{model.purpose}: not used by these settings")
        elif model.is_present:
            yield Finding(model.name, "ok", f"{model.purpose}: present")
        else:
            yield Finding(model.name, "broken", f"{model.purpose}: missing or damaged", model.remedy)


def check_port(host: str, port: int) -> Finding:
    """Free, or taken by a Retold server."""
    try:
        bind(host, port).close()
    except OSError as failure:
        where = f"{host}:{port}"
        if failure.errno == errno.EADDRINUSE and _is_retold(where):
            return Finding("port", "ok", f"{where}: a Retold server answers there")
        why = failure.strerror or str(failure)
        return Finding("port", "broken", f"{where}: {why.lower()}", "choose another: retold serve --port 0")
    return Finding("port", "ok", f"{host}:{port} is free")


def check_clock(now_s: float) -> Finding:
    """The wall clock is plausible; call times and join deadlines are taken from it."""
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s))
    if not LEAST_CLOCK_S <= now_s < LATEST_CLOCK_S:
        return Finding("clock", "broken", f"says {shown}", "timedatectl set-ntp true")
    return Finding("clock", "ok", shown)


def check_rights(data_dir: Path) -> Finding:
    """The data folder can be written, or made."""
    existing = _nearest_existing(data_dir)
    if not existing.is_dir():
        return Finding("data dir", "broken", f"{existing} is a file", "choose a folder with --data-dir")
    if not os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "data dir", "broken", f"no right to write in {existing}", f"chown -R $(id -u) {existing}, or use --data-dir"
        )
    detail = f"{data_dir} can be written" if existing == data_dir else f"{data_dir} will be made"
    return Finding("data dir", "ok", detail)


def check_disk(data_dir: Path, least_mb: int) -> Finding:
    """Room for new calls."""
    free_mb = shutil.disk_usage(_nearest_existing(data_dir)).free // _MB
    detail = f"{free_mb} MB free"
    if free_mb < least_mb:
        return Finding(
            "disk", "broken", f"{detail}, new calls are refused below {least_mb}", f"free space for {data_dir}"
        )
    if free_mb < LOW_DISK_MB:
        return Finding("disk", "warning", detail, f"free space for {data_dir}")
    return Finding("disk", "ok", detail)


def _nearest_existing(path: Path) -> Path:
    here = path.absolute()
    while not here.exists() and here != here.parent:
        here = here.parent
    return path if here == path.absolute() else here


def _is_retold(where: str) -> bool:
    try:
        with request.urlopen(f"http://{where}/health/live", timeout=2) as answer:
            return b'"ok"' in answer.read(100)
    except (error.URLError, OSError, ValueError):
        return False


def _parse(version: str) -> Version:
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    return major, minor, patch
