"""Threads for what blocks: files of a call that ends, migrations, address look-ups, the database's readers."""

import contextlib
import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = min(32, (os.cpu_count() or 1) + 4)
"""As many as asyncio's own pool may have; most of their time they wait for the disk."""

HEAPS = 2
_M_ARENA_MAX = -8
"""glibc's malloc.h."""


def share_heaps() -> None:
    """Have all threads allocate from `HEAPS` heaps, where the C library is glibc; to be called before any is started.

    By itself each thread gets one of its own, and each keeps what the thread ever needed at once: with a dozen threads
    a server grows for thousands of calls before it has seen them all.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, HEAPS)


def started_pool(threads: int = THREADS, *, name: str = "retold-work") -> ThreadPoolExecutor:
    """A pool whose threads all run: what a server holds is the same before its first call and after its last.

    By itself a pool starts a thread when none is idle, which looks like a leak for thousands of calls.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    # Each task waits for all others, so that no thread takes two.
    all_running = threading.Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(all_running.wait)
    all_running.wait()
    return pool
