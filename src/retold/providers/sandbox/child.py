"""The process that runs one piece of JavaScript and ends; process.py starts it.

```
limits -> engine -> filter -> "ready" -> reads the request up to its end -> runs it -> answers -> ends
```

What it reads is trusted with nothing, so all that needs a right is done before. Its answer is one object of JSON,
`{"value": <JSON text>}` or `{"error": <text>}`, both with the `log`.
"""

import contextlib
import os
import resource
from collections.abc import Callable
from typing import Final

import _quickjs

from retold.providers.sandbox import seccomp

_READY: Final = b"ready\n"
"""The first line of a process that may be given code; any other says why it may not."""
_MAX_ANSWER_BYTES: Final = 256 * 1024
"""As process.py has it, which reads no further."""
_TOO_LARGE: Final = b'{"error": "what the code returns is too large"}'
_NO_MEMORY: Final = b'{"error": "the code needs more memory than it may have"}'
_MB: Final = 1024 * 1024
_ENGINE_BYTES: Final = 64 * _MB
"""The engine's own limit, which is met first and which the code gets to see as an error."""
_MEMORY_BYTES: Final = 256 * _MB
"""Beyond what the process holds before it has seen any code."""
_STACK_BYTES: Final = 1 * _MB
_CPU_S: Final = 61
"""Longer than any tool may run: for a process whose server was killed, so that nobody ends it."""
_NICENESS: Final = 10
"""Calls go first: what they compute for the next frame must not wait for an endless loop."""
_NOBODY: Final = 65_534
_PIECE_BYTES: Final = 65_536


def main(mode: str) -> None:
    """Run the request that comes by standard input; `mode` is `seccomp`, or `process` to do without the filter."""
    try:
        step, settle = _engine()
        _give_up_rights()
        _limit()
        if mode == "seccomp":
            seccomp.install()
    except Exception as error:  # noqa: BLE001 - whatever it is, the server is told, and gives no code
        os.write(1, f"{error or type(error).__name__}\n".encode(errors="replace"))
        os._exit(1)
    os.write(1, _READY)
    try:
        step(_read_all())
        settle()
        answer = step().encode(errors="replace")
    except Exception:  # noqa: BLE001 - no error of the code gets here, so it is that there was no memory to catch one
        answer = _NO_MEMORY
    _write_all(answer if len(answer) <= _MAX_ANSWER_BYTES else _TOO_LARGE)
    # Without clearing up, which takes time and would run what the code left to be run then.
    os._exit(0)


def _engine() -> tuple[Callable[..., str], Callable[[], None]]:
    """The function that prelude.js gives, and one that does all that is still to be done."""
    context = _quickjs.Context()
    context.set_memory_limit(_ENGINE_BYTES)
    context.set_max_stack_size(_STACK_BYTES)
    with open(os.path.join(os.path.dirname(__file__), "prelude.js")) as prelude:  # noqa: PTH118, PTH120, PTH123 - pathlib takes long to import
        step = context.eval(prelude.read())

    def settle() -> None:
        is_more = True
        while is_more:
            with contextlib.suppress(_quickjs.JSException):
                is_more = context.execute_pending_job()

    return step, settle


def _give_up_rights() -> None:
    # Each helps where it can be had; what guards is the filter.
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as first_to_go:  # noqa: PTH123 - as above
        first_to_go.write("1000")
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)


def _limit() -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_AS, _held_bytes() + _MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(kind, (most, most))


def _held_bytes() -> int:
    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123 - as above
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return _MEMORY_BYTES


def _read_all() -> str:
    pieces = list(iter(lambda: os.read(0, _PIECE_BYTES), b""))
    return b"".join(pieces).decode()


def _write_all(answer: bytes) -> None:
    while answer:
        answer = answer[os.write(1, answer) :]
