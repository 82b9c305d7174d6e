"""Calls in which caller and agent take turns: what the caller measures of each turn."""

import random
from dataclasses import dataclass, field

import anyio

from caller import Caller, Sound
from rig import Rig

TONE_STEP_MS = 240
"""A word of the scripted voice and its pause."""
PAUSE_MS = 150


@dataclass(slots=True)
class Talk:
    """One call: the gaps as the caller heard them, and the call object."""

    call_id: str
    gaps_ms: list[float] = field(default_factory=list[float])


async def turn(caller: Caller, talk: Talk, rng: random.Random, *, speech_ms: int, reply_words: int) -> None:
    """Speak, wait for the answer, hear it out, and think for a moment."""
    said = await caller.say(speech_ms)
    talk.gaps_ms.append((await caller.answer() - said.end_s) * 1000)
    await anyio.sleep((reply_words * TONE_STEP_MS + PAUSE_MS + rng.uniform(0, 200)) / 1000)


async def converse(rig: Rig, calls: int, turns: int, *, speech_ms: int, reply_words: int) -> list[Talk]:
    """This many calls at a time, each of this many turns; joined within a second, as they come in life."""
    agent_id = await rig.agent(reply_words=reply_words)
    talks: list[Talk] = []

    async def call(number: int) -> None:
        rng = random.Random(number)
        await anyio.sleep(rng.uniform(0, 1 if calls > 1 else 0))
        talk = Talk(await rig.register(agent_id, Sound()))
        async with rig.join(talk.call_id, Sound()) as caller:
            await anyio.sleep(0.5)
            for _ in range(turns):
                await turn(caller, talk, rng, speech_ms=speech_ms, reply_words=reply_words)
        talks.append(talk)

    async with anyio.create_task_group() as tasks:
        for number in range(calls):
            tasks.start_soon(call, number)
    return talks
