"""The agent resource: wire shape and stored shape of one version (SDK 6.2.13 `AgentResponse`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict

from retold.domain.agent_settings import AgentSettings
from retold.domain.response_engine import ResponseEngine, websocket_url

DEMO_AGENT_ID = "demo"
DEMO_BRAIN_URL = "retold://demo-brain"
"""Address of the built-in demo brain; outbound/ turns it into our own listener."""

KEPT_ELSEWHERE = frozenset({"assigned_tags"})
"""Fields that are not part of a version: a tag moves from one version to another."""


class Agent(AgentSettings):
    """One version of an agent; fields of other servers' agents are kept as they came."""

    model_config = ConfigDict(strict=False, extra="allow")

    agent_id: str
    version: int = 0
    base_version: int | None = None
    """The version this one was made of; None for the first."""
    is_published: bool = False
    last_modification_timestamp: int
    assigned_tags: list[str] | None = None
    """The tag that was assigned last comes first."""
    response_engine: ResponseEngine
    voice_id: str

    def wire(self) -> dict[str, Any]:
        """The agent as the API shows it, with the 2024 field beside `response_engine`."""
        shape = self.model_dump(mode="json", exclude_none=True) | {"base_version": self.base_version}
        url = websocket_url(self.response_engine)
        return shape if url is None else shape | {"llm_websocket_url": url}

    def stored(self) -> str:
        """The agent as it is kept, as JSON."""
        return self.model_dump_json(exclude_none=True, exclude=set(KEPT_ELSEWHERE))

    def summary(self, tags: dict[str, Any]) -> dict[str, Any]:
        """The item of list-agents v2; `tags` by name."""
        return {
            "agent_id": self.agent_id,
            "agent_name": self.agent_name or "",
            "channel": "voice",
            "is_suspended": False,
            "is_transfer_agent": self.is_transfer_agent,
            "tags": tags,
            "user_modified_timestamp": self.last_modification_timestamp,
        }

    def version_summary(self) -> dict[str, Any]:
        """The item of list-agent-versions."""
        fields = {"version", "is_published", "last_modification_timestamp", "version_title", "version_description"}
        shape = self.model_dump(mode="json", include=fields, exclude_none=True)
        return shape | {"base_version": self.base_version}


@dataclass(frozen=True, slots=True)
class AgentTag:
    """A name for a version of an agent that moves, such as `prod`; without a version it means the latest."""

    version: int | None
    dynamic_variables: Mapping[str, str]

    def wire(self) -> dict[str, Any]:
        """The tag as lists show it."""
        shape: dict[str, Any] = {} if self.version is None else {"version": self.version}
        return shape | ({"dynamic_variables": dict(self.dynamic_variables)} if self.dynamic_variables else {})


@dataclass(frozen=True, slots=True)
class ResolvedAgent:
    """The version of an agent that a reference means, and what its tag brings along."""

    agent: Agent
    tag: str | None = None
    """The tag that was asked for, else the one that was assigned last to this version."""
    dynamic_variables: Mapping[str, str] = field(default_factory=dict[str, str])
