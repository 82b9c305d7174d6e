"""Everything a call needs but speech: storage in a folder, a clock that the test moves, and conversations by script."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel

from retold.calls.create import CallDetails, create_web_call
from retold.calls.deps import Deps
from retold.calls.finish import Archive
from retold.calls.live import LiveCalls
from retold.calls.run import run_call
from retold.calls.unstored import UnstoredCalls
from retold.clock import CallClock
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import Word
from retold.engine.timeline import (
    AnyEvent,
    EndIntended,
    NodeEntered,
    ReplyEnded,
    ResponderTraffic,
    StateEntered,
    Timeline,
    ToolCallStarted,
    UserTranscribed,
    VariablesCollected,
    WordsPlayed,
)
from retold.ids import DEFAULT_ORG_ID, new_api_key
from retold.ports import Responder, Tape, Voices
from retold.settings import Settings
from retold.storage.disk import Disk
from retold.storage.store import Store
from retold.storage.tape import Recorder
from retold.transports.loopback import LoopbackTransport
from support import database
from support.stored import BORN_MS, make_agent

RATE = 8_000
CANARY = "quetzalcoatl"
"""A word that nothing but the caller, the agent and the tools say."""


class HandClock:
    """Both clocks, moved by hand; `jump` moves the wall alone."""

    def __init__(self) -> None:
        self._wall_ms = BORN_MS
        self._monotonic_ms = 1000.0

    def wall_ms(self) -> int:
        return self._wall_ms

    def monotonic_ms(self) -> float:
        return self._monotonic_ms

    def pass_ms(self, ms: int) -> None:
        self._wall_ms += ms
        self._monotonic_ms += ms

    def jump(self, ms: int) -> None:
        self._wall_ms += ms


@dataclass
class ScriptedSession:
    """A conversation whose course the test writes; made with the arguments of the real one."""

    parts: dict[str, Any]
    script: "Script"
    stopped: anyio.Event = field(default_factory=anyio.Event)
    looks: int = 0
    triggers: int = 0

    @property
    def timeline(self) -> Timeline:
        return cast("Timeline", self.parts["timeline"])

    @property
    def tape(self) -> Tape:
        return cast("Tape", self.parts["tape"])

    @property
    def clock(self) -> CallClock:
        return cast("CallClock", self.parts["clock"])

    def end(self, reason: DisconnectionReason = DisconnectionReason.USER_HANGUP) -> None:
        self.timeline.append(EndIntended(at_ms=self.clock.now_ms(), reason=reason))

    async def run(self) -> None:
        await self.script(self)

    def stop(self, reason: DisconnectionReason, detail: str) -> None:
        self.timeline.append(EndIntended(at_ms=self.clock.now_ms(), reason=reason, detail=detail))
        self.stopped.set()

    def look(self) -> None:
        self.looks += 1

    def trigger(self) -> None:
        self.triggers += 1


Script = Callable[[ScriptedSession], Awaitable[None]]


async def until_stopped(session: ScriptedSession) -> None:
    await session.stopped.wait()


async def hang_up_at_once(session: ScriptedSession) -> None:
    session.end()


def talk(clock: HandClock, seconds: int = 2) -> Script:
    """The caller says the canary each second, the agent says it back, tools and LLM too; then the caller hangs up."""

    async def script(session: ScriptedSession) -> None:
        for second in range(seconds):
            at_ms = second * 1000.0
            session.tape.write_caller(second * RATE, bytes([1, second]) * RATE)
            session.tape.write_agent(second * RATE + RATE // 2, bytes([2, second]) * (RATE // 2))
            for event in said(second, at_ms):
                session.timeline.append(event)
            clock.pass_ms(1000)
            await session.timeline.committed()
        session.end()
        await session.timeline.committed()

    return script


def said(number: int, at_ms: float) -> list[AnyEvent]:
    """One turn that contains the canary in every sensitive event."""
    word = (Word(CANARY, at_ms, at_ms + 200),)
    return [
        UserTranscribed(at_ms=at_ms + 210, utterance=number, words=word),
        ResponderTraffic(at_ms=at_ms + 220, direction="sent", text=CANARY),
        ToolCallStarted(at_ms=at_ms + 230, tool_call_id=str(number), name="look", arguments=CANARY),
        VariablesCollected(at_ms=at_ms + 240, values={"word": CANARY}),
        StateEntered(at_ms=at_ms + 250, former_state_name=CANARY, new_state_name=CANARY),
        NodeEntered(
            at_ms=at_ms + 260, former_node_id="a", former_node_name=CANARY, new_node_id="b", new_node_name=CANARY
        ),
        WordsPlayed(at_ms=at_ms + 500, response_id=number, words=(Word(CANARY, at_ms + 300, at_ms + 500),)),
        ReplyEnded(at_ms=at_ms + 510, response_id=number, was_interrupted=True, unheard=CANARY),
    ]


@dataclass
class House:
    """One server's storage and calls."""

    deps: Deps
    clock: HandClock
    agent: Agent
    script: Script = until_stopped

    @property
    def store(self) -> Store:
        return self.deps.store

    @property
    def live(self) -> LiveCalls:
        return self.deps.live

    async def create(self, **details: Any) -> CallRecord:
        return await create_web_call(self.deps, DEFAULT_ORG_ID, self.agent, CallDetails(**details))

    def leg(self) -> LoopbackTransport:
        return LoopbackTransport(self.clock, sample_rate=RATE)

    async def hold(self, record: CallRecord) -> CallRecord:
        """Let the script run over one call."""
        return await run_call(record, self.leg(), self.deps)


@asynccontextmanager
async def open_house(
    folder: Path,
    *,
    clock: HandClock | None = None,
    disk: Disk | None = None,
    agent: Agent | None = None,
    ballast_bytes: int = 4096,
    database_url: str | None = None,
    **settings: Any,
) -> AsyncGenerator[House]:
    """A house on `folder`; opening the same folder again is a restart."""
    clock, disk, agent = clock or HandClock(), disk or Disk(), agent or make_agent()
    url = database_url or database.database_url(folder)
    store = await Store.open(folder, clock=clock, database_url=url, disk=disk, ballast_bytes=ballast_bytes)
    await store.owners.hold()
    recorder = Recorder(folder, disk)
    recorder.open()
    try:
        await store.keys.create(DEFAULT_ORG_ID, new_api_key())
        await store.agents.save(DEFAULT_ORG_ID, agent)
        options = Settings(data_dir=folder, **settings)
        archive = Archive(store, folder, disk, UnstoredCalls(clock), prices=options.prices)
        house: House

        def session(**parts: Any) -> ScriptedSession:
            return ScriptedSession(parts, house.script)

        deps = Deps(
            settings=options,
            clock=clock,
            store=store,
            recorder=recorder,
            archive=archive,
            live=LiveCalls(archive, clock, concurrency_limit=options.concurrency_limit),
            voices=cast("Voices", _Voices()),
            speech_ready=anyio.lowlevel.checkpoint,
            responder=lambda _parts: cast("Responder", None),
            session=session,
        )
        house = House(deps, clock, agent)
        yield house
    finally:
        await recorder.close()
        await store.close()


class _Voices:
    """What calls ask of the speech engines."""

    languages = frozenset({"en"})
    voice_ids = frozenset({"default"})
