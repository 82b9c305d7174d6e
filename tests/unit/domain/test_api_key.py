import pytest
from pydantic import ValidationError

from retold.domain.api_key import ApiKey, KeyChanges, NewKey
from retold.domain.scopes import ALL_SCOPES, Scope
from retold.ids import DEFAULT_ORG_ID, KeyId


def make_key(**changes: object) -> ApiKey:
    shape = {
        "api_key_id": KeyId("apikey_1"),
        "org_id": DEFAULT_ORG_ID,
        "api_key_name": "one",
        "key_prefix": "key_1234",
        "created_timestamp": 1_000,
    }
    return ApiKey.model_validate(shape | changes)


def test_a_key_is_usable_until_it_expires_or_is_revoked() -> None:
    assert make_key().is_usable(9_999)
    assert make_key(expires_timestamp=2_000).is_usable(1_999)
    assert not make_key(expires_timestamp=2_000).is_usable(2_000)
    assert not make_key(revoked_timestamp=1_500).is_usable(1_400)


def test_what_is_sent_leaves_out_what_is_not_known() -> None:
    assert make_key(scopes=["read"]).wire() == {
        "api_key_id": "apikey_1",
        "org_id": DEFAULT_ORG_ID,
        "api_key_name": "one",
        "key_prefix": "key_1234",
        "scopes": ["read"],
        "is_webhook_key": False,
        "created_timestamp": 1_000,
    }


def test_scopes_are_kept_once_each_in_one_order() -> None:
    assert NewKey(scopes=(Scope.CALLS, Scope.READ, Scope.CALLS)).scopes == (Scope.READ, Scope.CALLS)
    assert NewKey().scopes == ALL_SCOPES
    with pytest.raises(ValidationError):
        NewKey(scopes=())


def test_null_clears_the_expiry_and_nothing_else() -> None:
    key = make_key(expires_timestamp=2_000)
    changes = {"api_key_name": None, "scopes": None, "expires_timestamp": None}
    assert KeyChanges.model_validate(changes).applied_to(key) == make_key()
    assert KeyChanges().applied_to(key) == key
    narrowed = KeyChanges(scopes=(Scope.READ,), api_key_name="two").applied_to(key)
    assert (narrowed.scopes, narrowed.api_key_name, narrowed.expires_timestamp) == ((Scope.READ,), "two", 2_000)
    assert narrowed.may(Scope.READ)
    assert not narrowed.may(Scope.WRITE)
