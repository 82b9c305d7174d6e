"""Try an example in one command: a model, a server, the agent, and a caller who talks with it.

    python examples/try_it.py restaurant
    python examples/try_it.py flow --save ./call

What follows the name is for `retold call`, which places the call. Without RETOLD_LLM__BASE_URL a stand-in plays the
model by the example's script. Everything ends with the call, and nothing is kept but what `--save` saves.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

EXAMPLES = Path(__file__).parent
RETOLD = [sys.executable, "-m", "retold"]
READY_TIMEOUT_S = 60


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list[str], env: Mapping[str, str], log: Path) -> Generator[None]:
    """A program as long as it is needed; what it prints goes to the log."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=env, stdout=output, stderr=output) as program,  # noqa: S603 - our own programs
    ):
        try:
            yield
        finally:
            program.terminate()


def wait_until_ready(url: str, log: Path) -> None:
    """Wait for the server and its speech models. Exits, showing the log, when they do not come."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{url}/health/ready", timeout=5):  # noqa: S310 - the server of this program
                return
        except (URLError, OSError):
            time.sleep(0.2)
    sys.exit(f"The server was not ready within {READY_TIMEOUT_S} s:\n{log.read_text()}")


def wait_for_line(log: Path, beginning: str) -> str:
    """The rest of the first line that begins like this. Exits, showing the log, when it does not come."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines(keepends=True):
            if line.startswith(beginning) and line.endswith("\n"):
                return line.removeprefix(beginning).strip()
        time.sleep(0.1)
    sys.exit(f"{log.stem} did not start within {READY_TIMEOUT_S} s:\n{log.read_text()}")


def try_it(name: str, options: list[str]) -> int:
    """Run the example and place the call; gives the exit code of `retold call`."""
    url, tools_port, key = f"http://127.0.0.1:{free_port()}", free_port(), "key_" + secrets.token_hex(16)
    env = {**os.environ, "RETOLD_API_KEY": key, "RETOLD_ALLOW_PRIVATE_HOSTS": f"127.0.0.1:{tools_port}"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="retold-example-")))
        if "RETOLD_LLM__BASE_URL" not in env:
            script = str(EXAMPLES / f"{name}_model.json")
            stand_in = [sys.executable, "-m", "retold.demo.model_server", "--port", "0", "--script", script]
            stack.enter_context(running(stand_in, env, folder / "model.log"))
            env["RETOLD_LLM__BASE_URL"] = wait_for_line(folder / "model.log", "RETOLD_LLM__BASE_URL=")
        serve = [*RETOLD, "serve", "--port", url.rpartition(":")[2], "--data-dir", str(folder / "data")]
        stack.enter_context(running(serve, env, folder / "server.log"))
        wait_until_ready(url, folder / "server.log")
        agent = [sys.executable, "-u", str(EXAMPLES / f"{name}_agent.py"), "--server", url]
        agent += ["--port", str(tools_port)] if name == "restaurant" else []
        stack.enter_context(running(agent, env, folder / "agent.log"))
        agent_id = wait_for_line(folder / "agent.log", "agent ")
        caller = [*RETOLD, "call", str(EXAMPLES / f"{name}_call.yaml"), "--server", url, "--api-key", key]
        caller += ["--agent", agent_id, *options]
        return subprocess.run(caller, env=env, check=False).returncode  # noqa: S603 - our own program


def main() -> None:
    """Try the example that is named."""
    names = sorted(path.name.removesuffix("_call.yaml") for path in EXAMPLES.glob("*_call.yaml"))
    if len(sys.argv) == 1 or sys.argv[1] not in names:
        sys.exit(f"usage: python examples/try_it.py {'|'.join(names)} [options of retold call]")
    sys.exit(try_it(sys.argv[1], sys.argv[2:]))


if __name__ == "__main__":
    main()
