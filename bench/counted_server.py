"""`retold serve` that answers SIGUSR1 with the number of its asyncio tasks, written to the file $BENCH_TASKS names."""

import asyncio
import os
import signal
from pathlib import Path

from retold.cli import main


def count_tasks(*_: object) -> None:
    """Write how many tasks the running loop has."""
    Path(os.environ["BENCH_TASKS"]).write_text(str(len(asyncio.all_tasks())))


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, count_tasks)
    main()
