"""What a mind is made of, and what comes with another one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from retold.domain.apologies import Apologies
from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.llm_tools import AgentSwap
from retold.ports import ChangeAgent
from retold.responders.mind.own_server import OwnServer
from retold.responders.mind.turn import Turn


class Brain(Protocol):
    """Decides what is said and done."""

    async def take(self, turn: Turn) -> None:
        """Say and do what this turn is for, from its beginning to its end. Raises ModelFailed.

        Cancelled when the turn is void: what the caller did not hear was not said.
        """
        ...


@dataclass(frozen=True, slots=True)
class Successor:
    """Another agent that thinks on this server, ready to go on with the call."""

    change: ChangeAgent
    """What the conversation is to be told."""
    begin: Callable[[], Brain]
    """Makes its brain, and has it begin where it begins: once, when it takes over."""
    apologies: Apologies | None = None
    """What it says when its model fails, if it does not go on in the language of the call."""


TakeOver = Callable[[AgentSwap | AgentSwapNode], Awaitable[Successor | OwnServer | str]]
"""Looks up the agent of a swap, or says why it cannot take over; raises a RetoldError for one that is not there."""
