"""The pool of threads for what blocks, and the heaps they share."""

import subprocess
import sys
from threading import enumerate as running_threads

import pytest

from retold.threads import HEAPS, started_pool

HEAPS_OF_EIGHT_THREADS = """
import ctypes, sys, threading
from retold.threads import share_heaps
if "shared" in sys.argv:
    share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(8)
def allocate():
    together.wait()
    libc.malloc(5000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


def names(prefix: str) -> list[str]:
    return [one.name for one in running_threads() if one.name.startswith(prefix)]


def test_every_thread_runs_before_there_is_work() -> None:
    before = len(names("retold-work"))
    with started_pool(5) as pool:
        assert len(names("retold-work")) - before == 5
        assert list(pool.map(str, range(20))) == [str(number) for number in range(20)]
        assert len(names("retold-work")) - before == 5
    assert len(names("retold-work")) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc for its heaps")
def test_all_threads_allocate_from_the_same_few_heaps() -> None:
    def heaps(*how: str) -> int:
        command = [sys.executable, "-c", HEAPS_OF_EIGHT_THREADS, *how]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        return told.count("<heap nr=")

    assert heaps() > HEAPS
    assert heaps("shared") <= HEAPS
