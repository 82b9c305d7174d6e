"""What a process can still do once the filter is on: a program that is not kept in by any engine tries."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import retold

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}, reason="seccomp is of Linux"
)

ATTEMPTS = r"""
import ctypes, errno, json, mmap, os, signal, socket, sys

sys.path.insert(0, sys.argv[1])
from retold.providers.sandbox import seccomp

libc = ctypes.CDLL(None, use_errno=True)
page = mmap.mmap(-1, mmap.PAGESIZE)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))


def of_libc(name, *arguments):
    def attempt():
        # The numbers of errors are what tells; -1 fits every call.
        if getattr(libc, name)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), name)
    return attempt


def threaded():
    import _thread
    _thread.start_new_thread(lambda: None, ())


ATTEMPTS = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": lambda: os.open("made", os.O_WRONLY | os.O_CREAT),
    "list a folder": lambda: os.listdir("/"),
    "look at a file": lambda: os.stat("/etc/passwd"),
    "remove a file": lambda: os.unlink("made"),
    "make a folder": lambda: os.mkdir("made"),
    "change the folder": lambda: os.chdir("/"),
    "make a file in memory": lambda: os.memfd_create("a"),
    "make a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "make a socket of this machine": lambda: socket.socket(socket.AF_UNIX),
    "make two sockets": lambda: socket.socketpair(),
    "fork": os.fork,
    "fork by the C library": of_libc("fork"),
    "start a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "start a thread": threaded,
    "signal the parent": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "signal all": lambda: os.kill(-1, signal.SIGKILL),
    "trace the parent": of_libc("ptrace", 16, 1, 0, 0),
    "have executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    "make memory executable": of_libc("mprotect", ctypes.c_void_p(address), 4096, 5),
    "lift a limit": of_libc("setrlimit", 7, (ctypes.c_ulong * 2)(1, 1)),
    "become somebody": lambda: os.setuid(0),
    "change the filter": of_libc("prctl", 22, 0, 0, 0, 0),
    "mount": of_libc("mount", b"none", b"/", b"tmpfs", 0, None),
    "have name spaces of its own": of_libc("unshare", 0x10000000),
    "make a pipe": os.pipe,
    "double a file": lambda: os.dup(1),
}
import _thread

seccomp.install()
outcomes = {}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
        outcomes[name] = "done"
    except OSError as error:
        outcomes[name] = errno.errorcode[error.errno]
    except RuntimeError as error:
        outcomes[name] = str(error)
os.write(1, json.dumps(outcomes).encode())
os._exit(0)
"""


def test_every_attempt_at_files_network_and_processes_is_refused(tmp_path: Path) -> None:
    source = str(Path(retold.__file__).parents[1])
    tried = subprocess.run(
        [sys.executable, "-c", ATTEMPTS, source], cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    assert tried.returncode == 0, tried.stderr.decode()
    outcomes = json.loads(tried.stdout)
    # Python says in words of its own that a thread cannot be had.
    assert outcomes.pop("start a thread") == "can't start new thread"
    assert set(outcomes.values()) == {"EPERM"}, outcomes
    assert len(outcomes) == 27
    assert list(tmp_path.iterdir()) == []
