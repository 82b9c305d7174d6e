"""The language models of a server: which of the API's names leads where.

A client for HTTP is imported and made only when a server is named: what is not used costs neither memory nor time.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from retold.domain.dialogue import ModelPart, ModelRequest
from retold.domain.llm_models import BackupModel
from retold.domain.model_script import ECHO, Script
from retold.errors import ModelFailed
from retold.ports import LanguageModel
from retold.providers.model_chain import ModelChain
from retold.providers.model_limits import Deadlines
from retold.providers.scripted_model import ScriptedModel
from retold.settings import LanguageModelSettings, MappedModel, revealed

if TYPE_CHECKING:
    import httpx2

NOT_CONFIGURED: Final = "no language model is configured: set RETOLD_LLM__BASE_URL"
ANTHROPIC_VERSION: Final = "2023-06-01"
_PATHS: Final = {"openai": "/chat/completions", "anthropic": "/messages"}
_KEPT_CONNECTIONS: Final = 100
_KEPT_S: Final = 55.0
"""Servers close idle connections after a minute or later."""


class LanguageModels:
    """A ports.LanguageModel that asks the server which the settings name for the request's model and tier."""

    def __init__(self, settings: LanguageModelSettings, http: "httpx2.AsyncClient | None") -> None:
        self._settings = settings
        self._http = http
        self._deadlines = Deadlines(settings.first_byte_ms / 1000, settings.between_ms / 1000)
        self._by_place: dict[str, LanguageModel] = {}
        """By the name under which a model is mapped; all that are not share one, so its size is that of the map."""
        self._scripted = ScriptedModel(_script(settings), self._deadlines) if settings.provider == "scripted" else None

    def serves(self, model: str) -> bool:
        """Whether the settings say who answers for this name."""
        mapped = self._settings.models.get(model, MappedModel())
        return self._scripted is not None or self._completed(mapped).base_url is not None

    def for_call(self, backup: BackupModel | None = None) -> LanguageModel:
        """What a responder speaks with: a second try, and the agent's backup model."""
        return ModelChain(self, backup)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        """See ports.LanguageModel."""
        return (self._scripted or self._place(request)).stream(request)

    def _place(self, request: ModelRequest) -> LanguageModel:
        names = (f"{request.model}:{request.tier}", request.model)
        name = next((name for name in names if name in self._settings.models), "")
        if name not in self._by_place:
            self._by_place[name] = self._made(self._settings.models.get(name, MappedModel()))
        return self._by_place[name]

    def _made(self, mapped: MappedModel) -> LanguageModel:
        place = self._completed(mapped)
        if place.base_url is None or self._http is None:
            return _Missing()
        from retold.providers.anthropic_messages import AnthropicMessages  # noqa: PLC0415 - imported when chosen
        from retold.providers.model_http import ModelEndpoint  # noqa: PLC0415 - imported when chosen
        from retold.providers.openai_chat import OpenAIChat  # noqa: PLC0415 - imported when chosen

        wire, key = place.wire or "openai", revealed(place.api_key)
        headers = {name: value.get_secret_value() for name, value in (place.headers or {}).items()}
        endpoint = ModelEndpoint(
            self._http,
            endpoint_url(place.base_url, wire),
            authorisation(wire, key) | headers,
            self._deadlines,
            secrets=[key or "", *headers.values()],
        )
        adapter = OpenAIChat if wire == "openai" else AnthropicMessages
        return adapter(endpoint, place.model, place.extra or {})

    def _completed(self, mapped: MappedModel) -> MappedModel:
        """What is not named is that of all models; but a server of its own is not shown the keys of another."""
        common = self._settings
        if mapped.base_url not in {None, common.base_url}:
            return mapped
        return MappedModel(
            model=mapped.model or common.model,
            base_url=common.base_url,
            api_key=mapped.api_key or common.api_key,
            wire=mapped.wire or common.wire,
            headers=common.headers if mapped.headers is None else mapped.headers,
            extra={**common.extra, **(mapped.extra or {})},
        )


class _Missing:
    """Stands where no model is configured: every request fails and says which setting is missing."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        raise ModelFailed(f"{NOT_CONFIGURED} (asked for {request.model})", is_retryable=False)
        yield


@asynccontextmanager
async def language_models(settings: LanguageModelSettings) -> AsyncGenerator[LanguageModels]:
    """The models while the server runs; connections are kept between requests, and as many as calls need."""
    named = [settings.base_url, *(mapped.base_url for mapped in settings.models.values())]
    if settings.provider == "scripted" or not any(named):
        yield LanguageModels(settings, None)
        return
    import httpx2  # noqa: PLC0415 - imported when a server is named

    limits = httpx2.Limits(max_keepalive_connections=_KEPT_CONNECTIONS, keepalive_expiry=_KEPT_S)
    async with httpx2.AsyncClient(limits=limits, timeout=None) as http:
        yield LanguageModels(settings, http)


def endpoint_url(base_url: str, wire: str) -> str:
    """Where requests go: under the base URL, whose query stays, as Azure's `api-version`; `/v1` when it has no path."""
    base = urlsplit(base_url)
    path = base.path.rstrip("/")
    if not path.endswith(_PATHS[wire]):
        path = (path or "/v1") + _PATHS[wire]
    return urlunsplit(SplitResult(base.scheme, base.netloc, path, base.query, ""))


def models_url(base_url: str, wire: str) -> str:
    """Where such a server lists its models."""
    asked = urlsplit(endpoint_url(base_url, wire))
    return urlunsplit(asked._replace(path=asked.path.removesuffix(_PATHS[wire]) + "/models"))


def authorisation(wire: str, key: str | None) -> dict[str, str]:
    """The headers by which a server knows who asks."""
    if wire == "anthropic":
        return {"anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {})
    return {"Authorization": f"Bearer {key}"} if key else {}


def _script(settings: LanguageModelSettings) -> Script:
    return Script.model_validate_json(settings.script.read_text()) if settings.script else ECHO
