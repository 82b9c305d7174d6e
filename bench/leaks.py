"""Whether short calls leave anything behind: memory, tasks, threads, open files, files in the spool."""

import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import numpy as np

import process
from caller import Sound
from figures import Figure, Scale
from rig import Rig, rig

AT_A_TIME = 20
WARM_UP_CALLS = 500
"""Calls before anything is counted: pools fill once, and so does the cache of the database at its first checkpoint."""
TARGET_KB = 1
WARM_UP_SHARE = 0.2
"""Calls before the line is fitted."""
SAMPLE_EVERY = 20
SPEECH_MS = 300
KEEP_ALIVE_S = 6
"""The server then has closed the callers' idle HTTP connections."""


@dataclass(slots=True)
class Growth:
    """Memory of the server after so many calls."""

    calls: list[int] = field(default_factory=list[int])
    kb: list[float] = field(default_factory=list[float])

    def kb_per_call(self) -> float:
        """The slope of a straight line through all points but those of the warm-up."""
        since = int(len(self.calls) * WARM_UP_SHARE)
        return float(np.polyfit(self.calls[since:], self.kb[since:], 1)[0])


@dataclass(frozen=True, slots=True)
class Held:
    """What an idle server holds."""

    tasks: int
    threads: int
    open_files: int
    spool_files: int


async def measure(scale: Scale) -> list[Figure]:
    """2,000 calls of one to two seconds, 20 at a time; half of them hang up in mid-turn."""
    calls = scale.pick(2000, 40)
    async with rig(is_counted=True) as ready:
        await _short_calls(ready, scale.pick(WARM_UP_CALLS, AT_A_TIME), Growth())
        before = await _held(ready)
        growth = Growth()
        await _short_calls(ready, calls, growth)
        after = await _held(ready)
    return [
        Figure(f"growth per call, {calls} calls", growth.kb_per_call(), "kB", at_most=TARGET_KB),
        Figure("tasks left", after.tasks - before.tasks, "tasks", at_most=0),
        Figure("threads left", after.threads - before.threads, "threads", at_most=0),
        Figure("open files left", after.open_files - before.open_files, "files", at_most=0),
        Figure("files in the spool", after.spool_files, "files", at_most=0),
        Figure("memory after all calls", growth.kb[-1] / 1024, "MB"),
    ]


async def _short_calls(ready: Rig, calls: int, growth: Growth) -> None:
    agent_id = await ready.agent(begin_words=2, reply_words=2)
    todo = iter(range(calls))
    done = 0

    async def worker() -> None:
        nonlocal done
        for number in todo:
            await _short_call(ready, agent_id, random.Random(number))
            done += 1
            if done % SAMPLE_EVERY == 0:
                growth.calls.append(done)
                growth.kb.append(process.resident_mb(ready.pid) * 1024)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_A_TIME):
            tasks.start_soon(worker)


async def _short_call(ready: Rig, agent_id: str, rng: random.Random) -> None:
    call_id = await ready.register(agent_id, Sound())
    async with ready.join(call_id, Sound()) as caller:
        await anyio.sleep(rng.uniform(0.1, 0.7))
        await caller.say(SPEECH_MS)
        await anyio.sleep(rng.uniform(0.1, 0.9))


async def _held(ready: Rig) -> Held:
    """Count once everything of the last calls is written down."""
    await ready.idle()
    await anyio.sleep(KEEP_ALIVE_S)
    count = Path(ready.server.data_dir.parent / "tasks")
    count.unlink(missing_ok=True)
    os.kill(ready.pid, signal.SIGUSR1)
    with anyio.fail_after(5):
        while not (count.exists() and count.read_text()):
            await anyio.sleep(0.05)
    return Held(
        tasks=int(count.read_text()),
        threads=process.threads(ready.pid),
        open_files=process.open_files(ready.pid),
        spool_files=len(list((ready.server.data_dir / "spool").iterdir())),
    )
