"""The agents that were asked for a moment ago: each new call asks for one, and most ask for the same."""

from collections import OrderedDict
from typing import Final, NamedTuple

from retold.clock import Clock
from retold.domain.agent import ResolvedAgent
from retold.ids import OrgId

MAX_AGENTS: Final = 1_000
MAX_AGE_MS: Final = 1_000
"""What another server of the same database changed is seen here no later than this."""


class AgentReference(NamedTuple):
    """What was asked for; the version is parsed."""

    org_id: OrgId
    agent_id: str
    version: int | str


class _Entry(NamedTuple):
    found: ResolvedAgent
    read_ms: float
    changes: int


class AgentCache:
    """Agents that exist, for a second; those that do not are never kept, so that guessing fills nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[AgentReference, _Entry] = OrderedDict()

    def fresh(self, reference: AgentReference, changes: int) -> ResolvedAgent | None:
        """The agent, if it was read within the last second and when `changes` (of Database) had this value."""
        entry = self._entries.get(reference)
        if entry is None or entry.changes != changes or self._clock.monotonic_ms() - entry.read_ms > MAX_AGE_MS:
            return None
        return entry.found

    def keep(self, reference: AgentReference, found: ResolvedAgent, *, read_ms: float, changes: int) -> None:
        """Keep what was read; both numbers are those from before the read began."""
        self._entries[reference] = _Entry(found, read_ms, changes)
        self._entries.move_to_end(reference)
        if len(self._entries) > MAX_AGENTS:
            self._entries.popitem(last=False)
