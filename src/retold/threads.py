"""Threads for what blocks: files of a call that ends, migrations, address look-ups, the database's readers."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

THREADS = min(32, (os.cpu_count() or 1) + 4)
"""As many as asyncio's own pool may have; most of their time they wait for the disk."""


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
