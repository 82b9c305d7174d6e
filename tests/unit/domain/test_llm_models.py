"""Both spellings of the model settings say the same."""

from typing import Any

import pytest

from retold.domain.llm_models import ModelSettings, deprecated_fields, merged_models
from retold.errors import InvalidRequest


def merged(stored: dict[str, Any] | None = None, **sent: Any) -> dict[str, Any]:
    return merged_models(ModelSettings.model_validate(stored or {}), sent).model_dump(mode="json", exclude_none=True)


BIG = {"type": "cascading", "primary": {"model": "big", "tier": "fast"}, "backup": {"model": "small"}}
SPEECH = {"type": "s2s", "primary": {"model": "speech"}}


def test_the_deprecated_fields_become_todays() -> None:
    backup = {"type": "cascading", "model": "small", "backup_kick_in_timeout": 900, "ultrafast": True}
    made = merged(model="big", model_temperature=0.5, model_high_priority=True, backup_model=backup)
    assert made == {
        "type": "cascading",
        "primary": {"model": "big", "tier": "fast"},
        "backup": {"model": "small", "tier": "ultrafast", "kick_in_timeout_ms": 900},
        "temperature": 0.5,
    }


def test_todays_fields_are_shown_in_the_deprecated_spelling() -> None:
    assert deprecated_fields(ModelSettings.model_validate(BIG | {"temperature": 0.2})) == {
        "model": "big",
        "model_temperature": 0.2,
        "model_high_priority": True,
        "model_ultrafast": False,
        "backup_model": {
            "type": "cascading",
            "model": "small",
            "backup_kick_in_timeout": 1_500,
            "high_priority": False,
            "ultrafast": False,
        },
    }
    assert deprecated_fields(ModelSettings.model_validate(SPEECH))["s2s_model"] == "speech"
    assert deprecated_fields(ModelSettings()) == {"model_temperature": 0.0}


def test_todays_spelling_wins() -> None:
    made = merged(model_config={"primary": {"model": "new"}}, model="old", model_temperature=1.0)
    assert (made["primary"]["model"], made["temperature"]) == ("new", 0.0)


def test_of_a_fetched_llm_that_is_sent_back_the_changed_spelling_counts() -> None:
    stored = ModelSettings.model_validate(BIG)
    fetched = deprecated_fields(stored) | {"model_config": stored.model_dump(mode="json")}
    assert merged_models(stored, fetched) == stored
    changed = merged_models(stored, fetched | {"model": "other"})
    assert changed.primary is not None
    assert changed.primary.model == "other"
    assert changed.backup == stored.backup


def test_each_key_replaces_the_one_before() -> None:
    assert merged(BIG, model_config={"temperature": 0.7}) == merged(BIG) | {"temperature": 0.7}
    assert "backup" not in merged(BIG, model_config={"backup": None})
    assert "backup" not in merged(BIG, backup_model=None)
    assert merged(BIG, model_high_priority=False)["primary"] == {"model": "big", "tier": "standard"}
    assert merged(BIG | {"temperature": 0.3}, model_temperature=None)["temperature"] == 0.0


def test_another_type_needs_a_model_and_clears_the_backup() -> None:
    warm = BIG | {"temperature": 0.4}
    assert merged(warm, model_config=SPEECH) == SPEECH | {"temperature": 0.4}
    assert merged(warm, s2s_model="speech", model=None) == SPEECH | {"temperature": 0.4}
    assert merged(SPEECH, model="big", s2s_model=None)["primary"] == {"model": "big"}
    with pytest.raises(InvalidRequest, match="primary is required"):
        merged(BIG, model_config={"type": "s2s"})


def test_the_model_can_be_cleared_in_its_own_spelling_only() -> None:
    assert "primary" not in merged(BIG, model=None)
    assert "primary" not in merged(SPEECH, s2s_model=None)
    assert merged(BIG, s2s_model=None)["primary"]["model"] == "big"
    assert "primary" not in merged(model_high_priority=True)


def test_what_excludes_each_other_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="exclude"):
        merged(model="big", s2s_model="speech")
    with pytest.raises(InvalidRequest, match="backup"):
        merged(SPEECH, model_config={"backup": {"model": "small"}})
