"""Standard Webhooks headers: what is signed, what is refused, and how the secret is made."""

import base64
import hashlib
import hmac

import pytest

from retold.domain.standard_webhooks import TOLERANCE_S, headers, is_signed, secret_of
from retold.ids import hash_api_key

KEY = "key_test_0123456789abcdef"
BODY = b'{"event":"call_ended","call":{"call_id":"call_1"}}'
NOW_MS = 1_700_000_000_123
SENT = headers(BODY, KEY, "evt_1", NOW_MS)


def verified_as_the_specification_says(secret: str, body: bytes, sent: dict[str, str]) -> bool:
    """The receiver's part of the specification, from the secret that it was given."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    message = b".".join([sent["webhook-id"].encode(), sent["webhook-timestamp"].encode(), body])
    digest = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
    return sent["webhook-signature"] == f"v1,{digest}"


def test_a_receiver_verifies_with_the_secret() -> None:
    assert SENT["webhook-id"] == "evt_1"
    assert SENT["webhook-timestamp"] == "1700000000"
    assert verified_as_the_specification_says(secret_of(KEY), BODY, SENT)
    assert not verified_as_the_specification_says(secret_of("key_other"), BODY, SENT)


def test_the_secret_has_the_form_that_libraries_take_and_is_no_hash_that_is_stored() -> None:
    secret = secret_of(KEY)
    assert secret.startswith("whsec_")
    raw = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    assert len(raw) == 32
    assert raw.hex() != hash_api_key(KEY)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_what_is_fresh_is_taken(late_s: int) -> None:
    assert is_signed(BODY, KEY, SENT, NOW_MS + late_s * 1000)


@pytest.mark.parametrize("late_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_what_is_old_or_of_the_future_is_refused(late_s: int) -> None:
    assert not is_signed(BODY, KEY, SENT, NOW_MS + late_s * 1000)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        SENT | {"webhook-id": "evt_2"},
        SENT | {"webhook-timestamp": "1700000001"},
        SENT | {"webhook-timestamp": "soon"},
        SENT | {"webhook-timestamp": "9" * 400},
        SENT | {"webhook-timestamp": "²"},
        SENT | {"webhook-signature": "v1,AAAA"},
        SENT | {"webhook-signature": "v1,ä"},
        SENT | {"webhook-signature": ""},
    ],
)
def test_headers_that_were_changed_are_refused(sent: dict[str, str]) -> None:
    assert not is_signed(BODY, KEY, sent, NOW_MS)


def test_another_body_or_key_is_refused() -> None:
    assert not is_signed(BODY + b" ", KEY, SENT, NOW_MS)
    assert not is_signed(BODY, "key_other", SENT, NOW_MS)


def test_one_good_signature_among_several_is_enough() -> None:
    several = SENT | {"webhook-signature": f"v1,AAAA {SENT['webhook-signature']} v2,BBBB"}
    assert is_signed(BODY, KEY, several, NOW_MS)
