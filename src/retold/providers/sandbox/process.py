"""The server's side of the sandbox: processes that each run one piece of JavaScript, and how they are ended.

```
[ spare: started, waits ] --taken--> request --> its input closed --> answer read to the end --> killed and reaped
            ^                                         |
            '------- the next spare is started -------'
```

Nothing a process does is believed: its answer is bounded and checked, and it is killed whether or not it ended itself.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import msgspec
import orjson
from pydantic import JsonValue

import retold
from retold.domain.code_outcome import CodeOutcome

MAX_VALUE_BYTES: Final = 64 * 1024
"""Of the JSON text of what a piece of code returns."""
MAX_ANSWER_BYTES: Final = 256 * 1024
"""Of all that a process answers: the value once more escaped, and the log."""
AT_ONCE: Final = max(2, os.cpu_count() or 1)
"""More would only share the processor, each with all the memory it may have."""
READY: Final = b"ready\n"
"""What a process says first when it may be given code; see child.py."""
PROGRAM: Final = (
    "import sys; sys.path += sys.argv[2:]; from retold.providers.sandbox.child import main; main(sys.argv[1])"
)
"""A process is told its mode and the folders of its modules."""
_MAX_GREETING_BYTES: Final = 1_000
_PIECE_BYTES: Final = 64 * 1024


class SandboxRefused(Exception):
    """A process cannot be shut in here, so it is given no code; says why."""


class _Answer(msgspec.Struct):
    value: str | None = None
    error: str | None = None
    log: str = ""


class CodeSandbox:
    """Runs JavaScript that is trusted with nothing; a responders.tools.context.Sandbox.

    The first run starts a process, later ones find one that waits. With `needs_filter` (see seccomp.py) no code is run
    where the kernel has no such filter. `program` is for tests.
    """

    def __init__(self, *, needs_filter: bool = True, at_once: int = AT_ONCE, program: str = PROGRAM) -> None:
        self._command = [program, "seccomp" if needs_filter else "process"]
        self._room = anyio.Semaphore(at_once)
        self._spare: _Process | None = None
        self._is_starting = False
        self._is_closed = False

    async def run(
        self,
        code: str,
        variables: Mapping[str, str],
        timeout_s: float,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> CodeOutcome:
        """Run the body of an async function that sees `dv` and `metadata`; waiting for room counts as its time."""
        # Half a surrogate pair, as JSON may bring in, only this encoder has an escape for.
        request = json.dumps({"code": code, "dv": dict(variables), "metadata": dict(metadata or {})}).encode()
        try:
            with anyio.fail_after(timeout_s):
                async with self._room:
                    return _outcome(await self._answer(request))
        except TimeoutError:
            return CodeOutcome(None, f"the code took longer than {timeout_s:g} s")
        except SandboxRefused as refused:
            return CodeOutcome(None, f"this server cannot run code safely: {refused}")
        except OSError as error:
            return CodeOutcome(None, f"no process to run the code in: {error}")

    async def close(self) -> None:
        """End the process that waits; runs under way end with their own tasks."""
        self._is_closed = True
        spare, self._spare = self._spare, None
        if spare is not None:
            await spare.end()

    async def _answer(self, request: bytes) -> bytes:
        process = await self._taken()
        try:
            await process.greeting()
            await process.send(request)
            # While this one works.
            await self._provide()
            return await process.answer()
        finally:
            await process.end()

    async def _taken(self) -> "_Process":
        spare, self._spare = self._spare, None
        if spare is not None:
            if spare.is_alive:
                return spare
            await spare.end()
        return await _Process.start(self._command)

    async def _provide(self) -> None:
        if self._spare is not None or self._is_starting or self._is_closed:
            return
        self._is_starting = True
        try:
            self._spare = await _Process.start(self._command)
        except OSError:
            # The next run tries again, and says what is wrong.
            return
        finally:
            self._is_starting = False
        if self._is_closed:
            await self.close()


class _Process:
    """One process; whoever starts it ends it."""

    def __init__(self, started: subprocess.Popen[bytes], stdin: int, stdout: int) -> None:
        self._started = started
        self._stdin = stdin
        self._stdout = stdout

    @classmethod
    async def start(cls, command: Sequence[str]) -> "_Process":
        """Start one without waiting until it is ready. Raises OSError."""
        return await anyio.to_thread.run_sync(cls._start, command)

    @classmethod
    def _start(cls, command: Sequence[str]) -> "_Process":
        stdin, our_stdin = os.pipe()
        our_stdout, stdout = os.pipe()
        try:
            for ours in (our_stdin, our_stdout):
                os.set_blocking(ours, False)
            started = subprocess.Popen(  # noqa: S603 - this Python and a program of ours
                [sys.executable, "-I", "-S", "-B", "-c", *command, *_folders()],
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                # Ctrl-C at the server's terminal is the server's business.
                start_new_session=True,
            )
        except BaseException:  # raised again: a process that did not start leaves no pipe open
            os.close(our_stdin)
            os.close(our_stdout)
            raise
        finally:
            os.close(stdin)
            os.close(stdout)
        return cls(started, our_stdin, our_stdout)

    @property
    def is_alive(self) -> bool:
        return self._started.poll() is None

    async def greeting(self) -> None:
        """Wait until the process can be given code. Raises SandboxRefused."""
        said = b""
        while not said.endswith(b"\n") and len(said) < _MAX_GREETING_BYTES:
            piece = await self._read(1)
            if not piece:
                break
            said += piece
        if said != READY:
            raise SandboxRefused(said.decode(errors="replace").strip() or "its process ends at once")

    async def send(self, request: bytes) -> None:
        """Hand over the request and close the input, which is its end."""
        left = memoryview(request)
        while left:
            try:
                left = left[os.write(self._stdin, left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._stdin)
            except BrokenPipeError:
                # It ended; the answer, or that there is none, says why.
                break
        self._close_stdin()

    async def answer(self) -> bytes:
        """All that the process still says, cut after the most that is taken."""
        said = b""
        while len(said) <= MAX_ANSWER_BYTES:
            piece = await self._read(_PIECE_BYTES)
            if not piece:
                break
            said += piece
        return said

    async def end(self) -> None:
        """Kill it and wait for its end, whoever is cancelled meanwhile."""
        self._close_stdin()
        os.close(self._stdout)
        self._started.kill()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._started.wait)

    async def _read(self, most: int) -> bytes:
        while True:
            try:
                return os.read(self._stdout, most)
            except BlockingIOError:
                await anyio.wait_readable(self._stdout)

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1


def _folders() -> list[str]:
    """Where the process finds its program and the engine: it is started without any package's folder."""
    engine = importlib.util.find_spec("_quickjs")
    if engine is None or engine.origin is None:
        raise FileNotFoundError("the package quickjs-ng is missing")
    return [str(Path(retold.__file__).parents[1]), str(Path(engine.origin).parent)]


def _outcome(answer: bytes) -> CodeOutcome:
    try:
        told = msgspec.json.decode(answer, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        what = "said something else than it may" if answer else "ended without an answer, at a limit or by a fault"
        return CodeOutcome(None, f"the code's process {what}")
    if told.value is None:
        return CodeOutcome(None, told.error or "the code came to nothing", told.log)
    if len(told.value.encode()) > MAX_VALUE_BYTES:
        return CodeOutcome(None, f"what the code returns has more than {MAX_VALUE_BYTES // 1024} KiB", told.log)
    try:
        orjson.loads(told.value)
    except ValueError as error:
        return CodeOutcome(None, f"what the code returns cannot be told as JSON: {error}", told.log)
    return CodeOutcome(told.value, log=told.log)
