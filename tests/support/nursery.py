"""Servers that start in a tenth of a second: `retold serve` forked from a process that has imported everything.

Run as a program it is that process: it reads one JSON object per line, {"env": {...}, "args": [...], "log": path},
forks a child that becomes `retold <args>`, and answers with its process id. Crash tests start over a hundred servers.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

MODULES = ("retold.cli.server", "retold.cli.serve", "alembic.command", "uvloop", "websockets", "scipy")


class Nursery:
    """The client's side; a context manager that ends the process and every server that still runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._born: list[int] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._born:
            kill(pid)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def bear(self, arguments: list[str], env: dict[str, str]) -> tuple[int, Path]:
        """Start `retold <arguments>`; gives the process id and the file with all it prints. Any thread may call it."""
        with self._lock:
            return self._bear(arguments, env)

    def _bear(self, arguments: list[str], env: dict[str, str]) -> tuple[int, Path]:
        log = self._folder / f"server{len(self._born)}.log"
        log.touch()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"env": env, "args": arguments, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        self._born.append(pid)
        return pid, log


def is_running(pid: int) -> bool:
    """Whether any thread of the process still runs.

    A killed process is a zombie as soon as its first thread is gone, while another may yet be inside an fsync, with all
    locks of the process: who reads its database then does not see what that fsync commits.
    """
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(_state(task) not in (None, "Z", "X") for task in tasks)


def _state(task: Path) -> str | None:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def kill(pid: int) -> None:
    """SIGKILL one of our own servers."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _serve_births() -> None:
    for module in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # The kernel reaps: a child's end is seen by its process id being gone.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become_server(order)
        print(pid, flush=True)  # noqa: T201 - the protocol


def _become_server(order: dict[str, Any]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, replacement in ((0, nothing), (1, log), (2, log)):
            os.dup2(replacement, fd)
        for name in [name for name in os.environ if name.startswith("RETOLD_")]:
            del os.environ[name]
        os.environ.update(order["env"])
        sys.argv = ["retold", *order["args"]]
        cli = importlib.import_module("retold.cli")
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve_births()
