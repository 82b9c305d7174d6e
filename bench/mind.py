"""What we add to a language model: from its first byte to speech, and from an interruption to the end of its words.

A Retell LLM in a whole call of the engine, on real time; the model is the stand-in server on a socket, in this process:
what it costs to serve counts against us. Each round has the agent speak anew, which cuts it off in mid-answer.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from figures import Figure, Scale, quantile
from retold.app import bind, listening
from retold.clock import CallClock, SystemClock
from retold.demo.model_server import ModelServer
from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import Spoken, VoiceSettings
from retold.providers.model_chain import ModelChain
from retold.providers.scripted import ScriptedTextToSpeech
from retold.responders.mind.variables import CallVariables
from retold.settings import ScriptedSettings
from support.dialogue import Dialogue
from support.minds import RECORD, llm_of, mind_of
from support.model_server import client, does, openai_at

FIRST_TARGET_MS, CANCEL_TARGET_MS = 5, 20
GAP_MS = 10
"""Between two words of the model, which has more to say than anybody will hear."""
STORY = {"say": "Well. " + "and then there was one more day " * 200, "gap_ms": GAP_MS}
SPEAKING_MS = 80
"""So long the agent has spoken when it is cut off."""
PATIENCE_S = 30.0


@dataclass
class Watched:
    """A model's server that notes when it sends the first byte of an answer, and when its client is gone."""

    application: ASGIApp
    clock: SystemClock
    first_ms: list[float] = field(default_factory=list[float])
    left_ms: list[float] = field(default_factory=list[float])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        is_first = True

        async def sending(message: Message) -> None:
            nonlocal is_first
            if is_first and message.get("body"):
                is_first = False
                self.first_ms.append(self.clock.monotonic_ms())
            await send(message)

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left_ms.append(self.clock.monotonic_ms())
            return message

        await self.application(scope, receiving, sending)


@dataclass
class TimedSpeech:
    """Speaks at once, and notes when it is handed the first text of each reply."""

    clock: SystemClock
    asked: anyio.Event = field(default_factory=anyio.Event)
    asked_ms: float = 0.0
    speech: ScriptedTextToSpeech = field(default_factory=lambda: ScriptedTextToSpeech(ScriptedSettings(tts_ms=0)))

    async def stream(self, text: str, voice: VoiceSettings) -> AsyncIterator[Spoken]:
        """See ports.TextToSpeech."""
        if not self.asked.is_set():
            self.asked_ms = self.clock.monotonic_ms()
            self.asked.set()
        async for spoken in self.speech.stream(text, voice):
            yield spoken


@dataclass
class Measured:
    """Milliseconds, one value for each round."""

    spoken: list[float] = field(default_factory=list[float])
    """From the first byte to the text handed to speech."""
    silent: list[float] = field(default_factory=list[float])
    """From the interruption until nothing of the reply can be heard."""
    given_up: list[float] = field(default_factory=list[float])
    """From the interruption until the model's server sees that its client is gone."""


async def measure(scale: Scale) -> list[Figure]:
    """Rounds of one call, one after the other."""
    rounds = scale.pick(200, 3)
    clock = SystemClock()
    server = Watched(ModelServer(does(STORY)).application(), clock)
    async with listening(server, bind("127.0.0.1", 0)) as url, client() as http:
        variables = CallVariables(lambda: RECORD, CallClock(clock))
        mind = mind_of(
            llm_of(begin_message="", general_prompt="Tell a story."), ModelChain(openai_at(http, url)), variables
        )
        speech = TimedSpeech(clock)
        call = Dialogue(clock=clock, tts=speech, mind=mind, rules=Rules(reminder_max_count=0))
        measured = Measured()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call.run)
            await _rounds(rounds, call, server, speech, measured)
            call.transport.hang_up()
    return [
        Figure(f"model's first byte to speech, {rounds} times: p50", quantile(measured.spoken, 0.5), "ms"),
        Figure("the same: p95", quantile(measured.spoken, 0.95), "ms", at_most=FIRST_TARGET_MS),
        Figure(f"cut to silence, {rounds} times: p50", quantile(measured.silent, 0.5), "ms"),
        Figure("the same: p95", quantile(measured.silent, 0.95), "ms", at_most=CANCEL_TARGET_MS),
        Figure("cut to the end of the request at the model's server: p50", quantile(measured.given_up, 0.5), "ms"),
        Figure("the same: p95", quantile(measured.given_up, 0.95), "ms"),
    ]


async def _rounds(count: int, call: Dialogue, server: Watched, speech: TimedSpeech, measured: Measured) -> None:
    # The first one warms up, and the last one is only cut off.
    for number in range(count + 2):
        ended, left = len(_cuts(call)), len(server.left_ms)
        at_ms, call_ms = speech.clock.monotonic_ms(), call.call_clock.now_ms()
        speech.asked, played = anyio.Event(), len(call.transport.played)
        call.session.trigger()
        with anyio.fail_after(PATIENCE_S):
            await speech.asked.wait()
            while len(call.transport.played) == played or (number and len(server.left_ms) == left):
                await anyio.sleep(0.001)
        if number:
            measured.spoken.append(speech.asked_ms - server.first_ms[-1])
            measured.silent.append(_cuts(call)[ended].at_ms - call_ms)
            measured.given_up.append(server.left_ms[left] - at_ms)
        await anyio.sleep(SPEAKING_MS / 1000)


def _cuts(call: Dialogue) -> list[t.ReplyEnded]:
    return [event for event in call.timeline if isinstance(event, t.ReplyEnded) and event.was_interrupted]
