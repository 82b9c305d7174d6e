"""What the use cases of calls work with; made once by app.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from retold.calls.engines import Engine, NextAgent
from retold.calls.finish import Archive
from retold.calls.live import LiveCalls, Steerable
from retold.clock import CallClock, Clock
from retold.domain.agent import Agent
from retold.domain.call import CallRecord
from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.llm_tools import AgentSwap
from retold.engine.rules import Rules
from retold.engine.timeline import Timeline
from retold.ports import Responder, Tape, Transport, Voices, VoiceSettings
from retold.settings import Settings
from retold.storage.store import Store
from retold.storage.tape import Recorder


class Session(Steerable, Protocol):
    """One conversation, as engine.session.CallSession has it."""

    async def run(self) -> None:
        """Hold the conversation; returns when it is over."""
        ...


class SessionMaker(Protocol):
    """How a conversation is made: the constructor of engine.session.CallSession."""

    def __call__(  # noqa: PLR0913 - the names are those of the constructor
        self,
        *,
        transport: Transport,
        voices: Voices,
        responder: Responder,
        timeline: Timeline,
        tape: Tape,
        clock: CallClock,
        rules: Rules,
        voice: VoiceSettings,
        language: str,
    ) -> Session:
        """Make one."""
        ...


@dataclass(frozen=True, slots=True)
class CallParts:
    """What the responder of one call is made of."""

    record: Callable[[], CallRecord]
    """The call as it stands now."""
    agent: Agent
    engine: Engine | None
    """What the agent's response engine names; None for the customer's own."""
    clock: CallClock
    next_agent: Callable[[AgentSwap | AgentSwapNode], Awaitable[NextAgent]]
    """Looks up who goes on with the call after a swap. Raises NotFound, InvalidRequest and StorageError."""


@dataclass(frozen=True, slots=True)
class Deps:
    """The parts of the server that calls are made of."""

    settings: Settings
    clock: Clock
    store: Store
    recorder: Recorder
    archive: Archive
    live: LiveCalls
    voices: Voices
    speech_ready: Callable[[], Awaitable[None]]
    """Returns when the speech models are loaded, or known to be unavailable."""
    responder: Callable[[CallParts], Responder]
    """Makes the responder of one call."""
    session: SessionMaker
