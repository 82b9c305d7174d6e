"""The signature of webhooks; what the official clients make of it is tests/contract/test_webhook_signature.py."""

import pytest

from retold.domain.webhook_signature import TOLERANCE_MS, is_signed, sign

BODY = b'{"event":"call_ended"}'
KEY = "test-api-key"
NOW_MS = 1_700_000_000_000
# From the Python client's own tests, 5.60.
DIGEST = "07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e"
SIGNATURE = f"v={NOW_MS},d={DIGEST}"


def test_the_published_vector_holds() -> None:
    assert sign(BODY, KEY, NOW_MS) == SIGNATURE
    assert is_signed(BODY, KEY, SIGNATURE, NOW_MS)


def test_the_body_is_signed_byte_by_byte() -> None:
    body = '{"content":"Grüße \U0001f600"}'.encode()
    assert is_signed(body, KEY, sign(body, KEY, NOW_MS), NOW_MS)
    assert not is_signed(body.replace(b" ", b""), KEY, sign(body, KEY, NOW_MS), NOW_MS)
    assert is_signed(b"", KEY, sign(b"", KEY, NOW_MS), NOW_MS)


@pytest.mark.parametrize("late_ms", [-TOLERANCE_MS, 0, TOLERANCE_MS])
def test_a_signature_is_good_for_five_minutes_either_way(late_ms: int) -> None:
    assert is_signed(BODY, KEY, SIGNATURE, NOW_MS + late_ms)


@pytest.mark.parametrize("late_ms", [-TOLERANCE_MS - 1, TOLERANCE_MS + 1])
def test_a_signature_is_no_good_beyond(late_ms: int) -> None:
    assert not is_signed(BODY, KEY, SIGNATURE, NOW_MS + late_ms)


def test_another_key_another_body_and_another_time_do_not_pass() -> None:
    assert not is_signed(BODY, "other-key", SIGNATURE, NOW_MS)
    assert not is_signed(BODY + b" ", KEY, SIGNATURE, NOW_MS)
    assert not is_signed(BODY, KEY, f"v={NOW_MS + 1},d={DIGEST}", NOW_MS)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        DIGEST,
        f"d={DIGEST}",
        f"v=,d={DIGEST}",
        f"v={NOW_MS}, d={DIGEST}",
        f" {SIGNATURE}",
        f"{SIGNATURE}\n",
        f"v={NOW_MS},d={DIGEST.upper()}",
        f"v={NOW_MS},d={DIGEST[:-1]}",
        f"v={'9' * 5000},d={DIGEST}",
        f"v=\u0661,d={DIGEST}",
    ],
)
def test_another_form_does_not_pass(signature: str) -> None:
    assert not is_signed(BODY, KEY, signature, NOW_MS)
