"""The check of `retold doctor` that asks the language model's server for its models, which costs nothing."""

from typing import Final
from urllib import error, request

from pydantic import ValidationError

from retold.app.models import authorisation, models_url
from retold.cli.finding import Finding
from retold.domain.model_script import Script
from retold.settings import LanguageModelSettings, revealed

NAME: Final = "llm"
_TIMEOUT_S: Final = 3
_KEY_REFUSED: Final = frozenset({401, 403})


def check_language_model(settings: LanguageModelSettings) -> Finding:
    """A server is named, answers, and takes the key; names that are mapped to other servers are not tried."""
    if settings.provider == "scripted":
        return _check_script(settings)
    if settings.base_url is None:
        return Finding(
            NAME,
            "warning",
            "no language model is configured: an agent with a Retell LLM can only say so and end the call",
            "set RETOLD_LLM__BASE_URL, such as http://127.0.0.1:11434/v1",
        )
    url = models_url(settings.base_url, settings.wire)
    headers = authorisation(settings.wire, revealed(settings.api_key))
    headers |= {name: value.get_secret_value() for name, value in settings.headers.items()}
    try:
        with request.urlopen(request.Request(url, headers=headers), timeout=_TIMEOUT_S):  # noqa: S310 - http or https
            return Finding(NAME, "ok", f"{settings.base_url} answers")
    except error.HTTPError as refused:
        refused.close()
        if refused.code in _KEY_REFUSED:
            return Finding(NAME, "broken", f"{settings.base_url} refuses the key", "set RETOLD_LLM__API_KEY")
        # Azure, for one, has no list of models there.
        return Finding(NAME, "ok", f"{settings.base_url} answers")
    except (OSError, ValueError) as failure:
        why = getattr(failure, "reason", failure)
        return Finding(
            NAME, "broken", f"{settings.base_url} cannot be reached: {why}", "start it, or set RETOLD_LLM__BASE_URL"
        )


def _check_script(settings: LanguageModelSettings) -> Finding:
    if settings.script is None:
        return Finding(NAME, "ok", "scripted: it repeats what it hears")
    try:
        rules = Script.model_validate_json(settings.script.read_text()).rules
    except (OSError, ValidationError) as failure:
        return Finding(NAME, "broken", f"{settings.script} is no script: {failure}", "set RETOLD_LLM__SCRIPT")
    return Finding(NAME, "ok", f"scripted: {len(rules)} rules of {settings.script}")
