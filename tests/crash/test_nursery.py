"""What the crash tests take for dead is dead."""

import subprocess
import sys
from pathlib import Path

from support.nursery import is_running

FIRST_THREAD_LEAVES = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
print("leaving", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_runs_until_its_last_thread_is_gone() -> None:
    command = [sys.executable, "-c", FIRST_THREAD_LEAVES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "leaving\n"
        while " Z " not in Path(f"/proc/{process.pid}/stat").read_text():
            pass
        assert is_running(process.pid)
        process.kill()
        process.wait(10)
        assert not is_running(process.pid)
