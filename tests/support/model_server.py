"""The stand-in model server on loopback, and language models that ask it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2

from retold.app import bind, listening
from retold.app.models import authorisation
from retold.demo.model_server import Habits, ModelServer
from retold.domain.dialogue import (
    ModelPart,
    ModelRequest,
    SystemText,
    TextPart,
    ToolSpec,
    ToolUse,
    ToolUsePart,
    UserText,
)
from retold.domain.model_script import Script
from retold.ports import LanguageModel
from retold.providers.anthropic_messages import AnthropicMessages
from retold.providers.model_http import ModelEndpoint
from retold.providers.model_limits import Deadlines
from retold.providers.openai_chat import OpenAIChat
from support.patience import PATIENCE_S

PATIENT = Deadlines(PATIENCE_S, PATIENCE_S)
WEATHER = ToolSpec(
    "get_weather",
    "Look up the weather.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
)


def asks(text: str, **fields: Any) -> ModelRequest:
    """A request with a prompt and one thing the caller said."""
    return ModelRequest("gpt-4.1", (SystemText("You are Ada."), UserText(text)), **fields)


def script(*rules: Mapping[str, Any], otherwise: str = "No rule fits.") -> Script:
    """A script as JSON has it."""
    return Script.model_validate({"rules": rules, "otherwise": otherwise})


def does(*steps: Mapping[str, Any]) -> Script:
    """A script that always does the same."""
    return script({"steps": steps})


async def answer(model: LanguageModel, request: ModelRequest) -> list[ModelPart]:
    """All parts of an answer."""
    with anyio.fail_after(PATIENCE_S):
        return [part async for part in model.stream(request)]


def text_of(parts: list[ModelPart]) -> str:
    """What was said."""
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def uses_of(parts: list[ModelPart]) -> list[ToolUse]:
    """The tools that were used."""
    return [part.tool_use for part in parts if isinstance(part, ToolUsePart)]


@asynccontextmanager
async def stand_in(told: Script, habits: Habits | None = None) -> AsyncGenerator[tuple[ModelServer, str]]:
    """The server and its address, without a path."""
    server = ModelServer(told, habits)
    async with listening(server.application(), bind("127.0.0.1", 0)) as url:
        yield server, url


@asynccontextmanager
async def client() -> AsyncGenerator[httpx2.AsyncClient]:
    """A client that no setting of this machine sends elsewhere."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield http


def openai_at(
    http: httpx2.AsyncClient, url: str, deadlines: Deadlines = PATIENT, extra: Mapping[str, Any] | None = None
) -> OpenAIChat:
    """The model behind chat completions."""
    return OpenAIChat(ModelEndpoint(http, f"{url}/v1/chat/completions", {}, deadlines), None, extra or {})


def anthropic_at(
    http: httpx2.AsyncClient, url: str, deadlines: Deadlines = PATIENT, extra: Mapping[str, Any] | None = None
) -> AnthropicMessages:
    """The model behind messages."""
    endpoint = ModelEndpoint(http, f"{url}/v1/messages", authorisation("anthropic", None), deadlines)
    return AnthropicMessages(endpoint, None, extra or {})
