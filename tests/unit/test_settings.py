"""What a server refuses to start with."""

import pytest
from pydantic import ValidationError

from retold.ids import new_api_key, shown_prefix
from retold.settings import Settings, revealed


@pytest.mark.parametrize("key", ["k", "key_0123456789abcdef123", "k" * 513], ids=len)
def test_an_api_key_that_can_be_guessed_or_never_sent_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="24 to 512 characters") as refused:
        Settings.model_validate({"api_key": key})
    assert refused.value.errors()[0]["loc"] == ("api_key",)


@pytest.mark.parametrize("key", ["", None, "k" * 24, new_api_key()], ids=["empty", "none", "24", "made"])
def test_no_key_or_a_long_one_is_taken(key: str | None) -> None:
    taken = Settings.model_validate({"api_key": key}).api_key
    assert (taken.get_secret_value() if taken else None) == (key or None)


@pytest.mark.parametrize("key", ["k" * 4, "k" * 24, new_api_key()], ids=len)
def test_at_most_a_quarter_of_a_key_is_shown(key: str) -> None:
    assert len(shown_prefix(key)) <= len(key) / 4
    assert key.startswith(shown_prefix(key))


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://u:hidden@h/n", "/var/lib/db"])
def test_only_postgresql_is_taken_as_a_database(url: str) -> None:
    with pytest.raises(ValidationError, match="postgresql://user:password@host/name") as refused:
        Settings.model_validate({"database_url": url})
    assert "hidden" not in str(refused.value)


def test_an_empty_database_address_is_none() -> None:
    assert revealed(Settings.model_validate({"database_url": ""}).database_url) is None
