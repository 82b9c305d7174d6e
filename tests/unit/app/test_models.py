"""Which server is asked for which of the API's names, and with which key."""

import re
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from retold.app.models import LanguageModels, endpoint_url, language_models, models_url
from retold.domain.dialogue import ModelPart, ModelRequest, StopPart, StopReason, TextPart, UserText
from retold.domain.llm_models import BackupModel, Tier
from retold.errors import ModelFailed
from retold.settings import LanguageModelSettings, Settings
from support.model_wire import Wire, WireAnswer, chunk, event, named

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

OPENAI = WireAnswer([chunk({"content": "Yes"}, "stop"), event("[DONE]")])
ANTHROPIC = WireAnswer([named("message_delta", delta={"stop_reason": "end_turn"}), named("message_stop")])


def settings(**fields: Any) -> LanguageModelSettings:
    return LanguageModelSettings.model_validate(fields)


async def asked(
    of: LanguageModelSettings, model: str = "gpt-4.1", tier: Tier | None = None, answer: WireAnswer = OPENAI
) -> httpx2.Request:
    wire = Wire([answer])
    async with httpx2.AsyncClient(transport=wire) as http:
        await heard(LanguageModels(of, http), model, tier)
    return wire.requests[0]


async def heard(models: LanguageModels, model: str = "gpt-4.1", tier: Tier | None = None) -> list[ModelPart]:
    async with aclosing(models.stream(ModelRequest(model, (UserText("Hi"),), tier=tier))) as parts:
        return [part async for part in parts]


@pytest.mark.parametrize(
    ("base_url", "wire", "url"),
    [
        ("https://api.openai.com/v1", "openai", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1/", "openai", "https://api.openai.com/v1/chat/completions"),
        ("http://127.0.0.1:11434", "openai", "http://127.0.0.1:11434/v1/chat/completions"),
        ("https://api.groq.com/openai/v1", "openai", "https://api.groq.com/openai/v1/chat/completions"),
        (
            "https://me.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21",
            "openai",
            "https://me.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-10-21",
        ),
        ("http://x/v1/chat/completions", "openai", "http://x/v1/chat/completions"),
        ("https://api.anthropic.com", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "anthropic", "https://api.anthropic.com/v1/messages"),
    ],
)
def test_the_address_is_completed(base_url: str, wire: str, url: str) -> None:
    assert endpoint_url(base_url, wire) == url
    assert models_url(base_url, wire) == re.sub("/chat/completions|/messages", "/models", url)


async def test_a_name_that_is_not_mapped_goes_to_the_one_model() -> None:
    request = await asked(settings(base_url="http://x", model="qwen3:8b", api_key="sk-1", extra={"a": 1}))
    assert b'"model":"qwen3:8b"' in request.content
    assert b'"a":1' in request.content
    assert request.headers["Authorization"] == "Bearer sk-1"


async def test_without_a_model_the_name_is_sent_as_it_is_and_no_key_is_none() -> None:
    request = await asked(settings(base_url="http://x", api_key=""))
    assert b'"model":"gpt-4.1"' in request.content
    assert "Authorization" not in request.headers


async def test_azure_has_its_header_and_version() -> None:
    place = "http://me.azure.test/openai/deployments/gpt?api-version=1"
    request = await asked(settings(base_url=place, headers={"api-key": "k"}))
    assert (request.headers["api-key"], request.url.query) == ("k", b"api-version=1")


MAPPED: Mapping[str, Any] = {
    "gpt-4.1": {"model": "small", "extra": {"b": 2, "a": None}},
    "gpt-4.1:fast": {"model": "quick"},
    "claude-4.5-haiku": {"base_url": "http://y", "wire": "anthropic", "api_key": "sk-2", "model": "claude-haiku-4-5"},
    "local": {"base_url": "http://z"},
}
ALL = {"base_url": "http://x", "api_key": "sk-1", "headers": {"h": "secret"}, "extra": {"a": 1}, "models": MAPPED}


@pytest.mark.parametrize(
    ("name", "tier", "model"),
    [
        ("gpt-4.1", None, b'"small"'),
        ("gpt-4.1", "standard", b'"small"'),
        ("gpt-4.1", "fast", b'"quick"'),
        ("gpt-4.1", "ultrafast", b'"small"'),
        ("other", "fast", b'"other"'),
    ],
)
async def test_names_and_tiers_are_mapped(name: str, tier: Tier | None, model: bytes) -> None:
    request = await asked(settings(**ALL), name, tier)
    assert b'"model":' + model in request.content
    assert request.headers["Authorization"] == "Bearer sk-1"


async def test_fields_of_a_name_are_laid_over_those_of_all() -> None:
    request = await asked(settings(**ALL))
    assert b'"b":2' in request.content
    assert b'"a"' not in request.content


async def test_a_server_of_its_own_has_its_own_wire_and_never_the_key_of_another() -> None:
    request = await asked(settings(**ALL), "claude-4.5-haiku", answer=ANTHROPIC)
    assert str(request.url) == "http://y/v1/messages"
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == ("sk-2", "2023-06-01")
    for sent in (request, await asked(settings(**ALL), "local")):
        assert b'"a"' not in sent.content
        assert not {"authorization", "h"} & set(sent.headers)


async def test_keys_do_not_show_in_a_failure() -> None:
    wire = Wire([WireAnswer([b"bad key sk-1 and secret"], status=401, content_type="text/plain")])
    async with httpx2.AsyncClient(transport=wire) as http:
        with pytest.raises(ModelFailed) as failed:
            await heard(LanguageModels(settings(**ALL), http))
    assert "sk-1" not in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_without_a_server_the_missing_setting_is_named() -> None:
    async with language_models(settings()) as models:
        assert not models.serves("gpt-4.1")
        with pytest.raises(ModelFailed, match="RETOLD_LLM__BASE_URL") as failed:
            await heard(models)
    assert not failed.value.is_retryable


async def test_a_name_without_a_server_fails_beside_one_that_has_one() -> None:
    async with language_models(settings(models={"local": {"base_url": "http://127.0.0.1:9"}})) as models:
        assert (models.serves("local"), models.serves("gpt-4.1")) == (True, False)
        with pytest.raises(ModelFailed, match="RETOLD_LLM__BASE_URL"):
            await heard(models, "gpt-4.1")


async def test_the_scripted_model_answers_for_every_name(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text('{"rules": [{"times": 1, "steps": [{"fail": 503}]}], "otherwise": "Backup."}')
    for told, said in ((settings(provider="scripted"), "You said: Hi"), (None, "Backup.")):
        async with language_models(told or settings(provider="scripted", script=file)) as models:
            assert models.serves("any")
            chain = models.for_call(BackupModel(model="backup"))
            async with aclosing(chain.stream(ModelRequest("x", (UserText("Hi"),)))) as parts:
                *texts, _, stop = [part async for part in parts]
            assert "".join(text.text for text in texts if isinstance(text, TextPart)) == said
            assert stop == StopPart(StopReason.END)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETOLD_LLM__BASE_URL", "http://x/v1")
    monkeypatch.setenv("RETOLD_LLM__HEADERS", '{"api-key": "hidden"}')
    monkeypatch.setenv("RETOLD_LLM__EXTRA", '{"temperature": null}')
    monkeypatch.setenv("RETOLD_LLM__MODELS", '{"a": {"model": "b", "api_key": "hidden"}}')
    read = Settings().llm
    assert (read.base_url, read.extra) == ("http://x/v1", {"temperature": None})
    assert read.models["a"].model == "b"
    assert "hidden" not in repr(read)


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "api.openai.com"},
        {"base_url": "ftp://x"},
        {"wire": "gemini"},
        {"models": {"a": {"base-url": "http://x"}}},
        {"script": "/nowhere/script.json"},
        {"first_byte_ms": 0},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**fields)
