"""What decides what an agent says (SDK 6.2.13 `response_engine`), in today's form and as the address of 2024."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from retold.domain.agent_options import RequestModel, ShortText

RETELL_LLM_URL = "retold://retell-llm/"
"""Before the id of a Retell LLM: what clients of 2024 copy from it into an agent's `llm_websocket_url`."""

VersionNumber = Annotated[int, Field(ge=0, lt=2**31)]


class CustomLlm(RequestModel):
    """The customer's own LLM websocket."""

    type: Literal["custom-llm"] = "custom-llm"
    llm_websocket_url: str = Field(min_length=1, max_length=2048)


class RetellLlm(RequestModel):
    """A prompt kept on the server; agents that are kept name its version."""

    type: Literal["retell-llm"] = "retell-llm"
    llm_id: ShortText
    version: VersionNumber | None = None


class ConversationFlow(RequestModel):
    """A flow of nodes kept on the server."""

    type: Literal["conversation-flow"] = "conversation-flow"
    conversation_flow_id: ShortText
    version: VersionNumber | None = None


ResponseEngine = Annotated[CustomLlm | RetellLlm | ConversationFlow, Discriminator("type")]


def websocket_url(engine: ResponseEngine) -> str | None:
    """The engine in the form of 2024; None for a flow, which had none."""
    if isinstance(engine, CustomLlm):
        return engine.llm_websocket_url
    return RETELL_LLM_URL + engine.llm_id if isinstance(engine, RetellLlm) else None


def engine_at(url: str) -> CustomLlm | RetellLlm:
    """The engine that an `llm_websocket_url` of 2024 means."""
    llm_id = url.removeprefix(RETELL_LLM_URL)
    return CustomLlm(llm_websocket_url=url) if llm_id == url else RetellLlm(llm_id=llm_id)


def engine_id(engine: ResponseEngine) -> str | None:
    """The id of the resource that the engine is; None for the customer's own."""
    if isinstance(engine, CustomLlm):
        return None
    return engine.llm_id if isinstance(engine, RetellLlm) else engine.conversation_flow_id
