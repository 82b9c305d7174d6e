"""What a call costs: processor time and memory of the server at 10 and 50 calls, recorder and journal included."""

import random
import time
from dataclasses import dataclass

import anyio

import process
from caller import Sound
from conversation import Talk, turn
from figures import Figure, Scale
from rig import ENVIRONMENT, Rig, rig, work_folder
from support.server import running_server

CPU_TARGET_PERCENT = 1.5
CALL_MEMORY_TARGET_MB = 2
BASE_MEMORY_TARGET_MB = 100
SPEECH_MS, REPLY_WORDS = 1500, 6
SETTLE_S = 1.5


@dataclass(slots=True)
class Mood:
    """Whether all parties talk or are silent; the calls look at it between turns."""

    is_talking: bool = True


async def measure(scale: Scale) -> list[Figure]:
    """s16le at 16 kHz: talking and silent at both sizes; mulaw at 8 kHz: talking at the small one."""
    few, many = scale.pick(10, 2), scale.pick(50, 4)
    window_s = scale.pick(15, 2)
    wideband, telephone = Sound(), Sound(rate_hz=8_000, is_mulaw=True)
    figures = [
        Figure(f"memory without models and calls, {start} start", used_mb, "MB", at_most=BASE_MEMORY_TARGET_MB)
        for start, used_mb in zip(("first", "later"), _base_mb(), strict=True)
    ]
    async with rig() as ready:
        await ready.idle()
        figures.append(await _telephone_cost(ready, few, window_s, telephone))
        mood = Mood()
        async with anyio.create_task_group() as tasks:
            await _start(ready, tasks, mood, few, wideband)
            figures += await _windows(ready, mood, few, window_s)
            few_mb = process.resident_mb(ready.pid)
            await _start(ready, tasks, mood, many - few, wideband)
            figures += await _windows(ready, mood, many, window_s)
            each_mb = (process.resident_mb(ready.pid) - few_mb) / (many - few)
            figures.append(
                Figure(f"memory per call, {few} to {many} calls", each_mb, "MB", at_most=CALL_MEMORY_TARGET_MB)
            )
            tasks.cancel_scope.cancel()
    return figures


def _base_mb() -> list[float]:
    """At a first start, which makes tables and keys with code that no later start loads, and at the second."""
    used_mb: list[float] = []
    with work_folder() as folder:
        for _ in range(2):
            with running_server(folder / "data", env=ENVIRONMENT) as server:
                used_mb.append(process.resident_mb(server.process.pid))
    return used_mb


async def _telephone_cost(ready: Rig, calls: int, window_s: float, sound: Sound) -> Figure:
    percent = 0.0
    async with anyio.create_task_group() as tasks:
        await _start(ready, tasks, Mood(), calls, sound)
        percent = await _cpu_percent(ready, calls, window_s)
        tasks.cancel_scope.cancel()
    return Figure(f"CPU per call, {calls} calls talking, mulaw 8 kHz", percent, "% core", at_most=CPU_TARGET_PERCENT)


async def _windows(ready: Rig, mood: Mood, calls: int, window_s: float) -> list[Figure]:
    figures: list[Figure] = []
    for is_talking, name in ((True, "talking"), (False, "silent")):
        mood.is_talking = is_talking
        await anyio.sleep(SETTLE_S if is_talking else SETTLE_S + (SPEECH_MS + REPLY_WORDS * 240) / 1000)
        percent = await _cpu_percent(ready, calls, window_s)
        figures.append(
            Figure(f"CPU per call, {calls} calls {name}, s16le 16 kHz", percent, "% core", at_most=CPU_TARGET_PERCENT)
        )
    mood.is_talking = True
    return figures


async def _cpu_percent(ready: Rig, calls: int, window_s: float) -> float:
    started_s, before_s = time.monotonic(), process.cpu_s(ready.pid)
    await anyio.sleep(window_s)
    return (process.cpu_s(ready.pid) - before_s) / (time.monotonic() - started_s) / calls * 100


async def _start(ready: Rig, tasks: anyio.abc.TaskGroup, mood: Mood, calls: int, sound: Sound) -> None:
    """Join this many calls within a second, and let them get going."""
    agent_id = await ready.agent(reply_words=REPLY_WORDS)
    for number in range(calls):
        tasks.start_soon(_call, ready, mood, await ready.register(agent_id, sound), sound, number)
        await anyio.sleep(1 / calls)
    await anyio.sleep(SETTLE_S)


async def _call(ready: Rig, mood: Mood, call_id: str, sound: Sound, number: int) -> None:
    rng, talk = random.Random(number), Talk(call_id)
    async with ready.join(call_id, sound) as caller:
        await anyio.sleep(0.5)
        while True:
            if mood.is_talking:
                await turn(caller, talk, rng, speech_ms=SPEECH_MS, reply_words=REPLY_WORDS)
            else:
                await anyio.sleep(0.1)
