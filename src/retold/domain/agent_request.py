"""What create-agent and update-agent take, in today's form and that of 2024, and how it becomes an agent."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from retold.domain.addresses import parse_target
from retold.domain.agent import DEMO_BRAIN_URL, Agent
from retold.domain.agent_settings import AgentSettings
from retold.domain.response_engine import CustomLlm, ResponseEngine, engine_at, engine_id, websocket_url
from retold.errors import AddressRefused, InvalidRequest

_ENGINE_FIELDS = {"response_engine", "llm_websocket_url"}
_ONLY_AT_CREATION = {"is_transfer_agent"}
_MERGED = {"contact_memory_config"}
"""Objects of which a change names only the parts that change."""


class AgentChanges(AgentSettings):
    """The fields of an agent that a client may set."""

    response_engine: ResponseEngine = Field(default=CustomLlm(llm_websocket_url="unset"))
    llm_websocket_url: str = Field(default="", min_length=1, max_length=2048)
    """The 2024 form of `response_engine`."""
    voice_id: str = Field(default="", min_length=1, max_length=200)

    def sent(self) -> dict[str, Any]:
        """What the client really named, JSON-ready."""
        return self.model_dump(mode="json", exclude_unset=True)


class NewAgent(AgentChanges):
    """What create-agent takes; `response_engine` or the 2024 `llm_websocket_url` is needed too."""

    voice_id: str = Field(min_length=1, max_length=200)


CheckUrl = Callable[[str], None]
"""Raises InvalidRequest or ValueError for an LLM websocket address that can never be called."""


def check_llm_url(url: str) -> None:
    """Refuse an LLM websocket address that can never be called; whether it may be is decided at the call."""
    if url.rstrip("/") == DEMO_BRAIN_URL or "{{" in url:
        return
    try:
        parse_target(url)
    except AddressRefused as error:
        raise InvalidRequest(
            f"response_engine.llm_websocket_url: {error}"[:300],
            field="response_engine.llm_websocket_url",
            fix="use an address such as wss://example.com/llm-websocket",
        ) from error


def create_agent(request: NewAgent, agent_id: str, now_ms: int, check_url: CheckUrl) -> Agent:
    """Version 0 of an agent. Raises InvalidRequest when it has no response engine."""
    sent = request.sent()
    engine = _engine(request, sent, None, check_url)
    if engine is None:
        raise InvalidRequest(
            "response_engine is required",
            field="response_engine",
            fix='send {"type": "custom-llm", "llm_websocket_url": "wss://..."}, or a retell-llm with its llm_id',
        )
    fields = {name: value for name, value in sent.items() if value is not None and name not in _ENGINE_FIELDS}
    return Agent.model_validate(
        {**fields, "response_engine": engine, "agent_id": agent_id, "last_modification_timestamp": now_ms}
    )


def change_agent(agent: Agent, request: AgentChanges, now_ms: int, check_url: CheckUrl) -> Agent:
    """The same version of the agent with the sent fields changed; null puts a field back to its default."""
    sent = request.sent()
    engine = _engine(request, sent, agent.response_engine, check_url)
    fields = agent.model_dump(mode="json", exclude_none=True)
    for name, value in sent.items():
        if value is None:
            fields.pop(name, None)
        elif name in _MERGED:
            fields[name] = fields.get(name, {}) | value
        elif name not in _ENGINE_FIELDS | _ONLY_AT_CREATION:
            fields[name] = value
    if engine is not None:
        fields["response_engine"] = engine
    return Agent.model_validate(
        {**fields, "last_modification_timestamp": max(now_ms, agent.last_modification_timestamp)}
    )


def new_draft(base: Agent, version: int, now_ms: int) -> Agent:
    """A version that begins as a copy of another and may be changed."""
    changes = {
        "version": version,
        "base_version": base.version,
        "is_published": False,
        "last_modification_timestamp": now_ms,
        "version_title": None,
        "version_description": None,
        "assigned_tags": None,
    }
    return base.model_copy(update=changes)


def _engine(
    request: AgentChanges, sent: Mapping[str, Any], stored: ResponseEngine | None, check_url: CheckUrl
) -> ResponseEngine | None:
    """The engine the request asks for, from either form; None when it names neither.

    A client that sends a fetched agent back after changing one of the two forms means the changed one.
    """
    named: list[ResponseEngine] = []
    if "response_engine" in sent and request.response_engine != stored:
        named.append(request.response_engine)
    if "llm_websocket_url" in sent and (stored is None or request.llm_websocket_url != websocket_url(stored)):
        named.append(engine_at(request.llm_websocket_url))
    if len({(engine.type, websocket_url(engine), engine_id(engine)) for engine in named}) > 1:
        raise InvalidRequest(
            "llm_websocket_url and response_engine name different engines",
            field="llm_websocket_url",
            fix="send only response_engine",
        )
    if not named:
        return None
    if isinstance(named[0], CustomLlm):
        check_url(named[0].llm_websocket_url)
    return named[0]
