"""Our webhook signature and that of the official clients, each checked by the other."""

from collections.abc import Callable

import pytest

from retold.domain.webhook_signature import TOLERANCE_MS, is_signed, sign
from support.sdk_client import Generation, SdkProcess

WITH_VERIFY: tuple[Generation, ...] = ("4.6", "4.7", "5.0", "5.64", "6.2", "node")
WITH_TRUE_SIGN: tuple[Generation, ...] = ("5.0", "5.64", "6.2", "node")
"""Before 4.30 the client's own `sign` made a plain hash that even its `verify` refuses."""
KEY = "key_test_0123456789abcdef"
NOW_MS = 1_700_000_000_000
BODIES = ('{"event":"call_ended","call":{"call_id":"call_1"}}', '{"content":"Grüße \U0001f600"}', "")

Process = Callable[[Generation], SdkProcess]


def asked(process: SdkProcess, method: str, *args: object) -> object:
    return process.exchange({"method": method, "args": args})["value"]


@pytest.mark.parametrize("generation", WITH_VERIFY)
@pytest.mark.parametrize("body", BODIES)
def test_every_client_verifies_what_we_sign(sdk_process: Process, generation: Generation, body: str) -> None:
    process = sdk_process(generation)
    signature = sign(body.encode(), KEY, NOW_MS)
    for late_ms in (-TOLERANCE_MS, 0, TOLERANCE_MS):
        assert asked(process, "verify", body, KEY, signature, {"timestamp": NOW_MS + late_ms}) is True
    for late_ms in (-TOLERANCE_MS - 1, TOLERANCE_MS + 1):
        assert asked(process, "verify", body, KEY, signature, {"timestamp": NOW_MS + late_ms}) is False
    assert asked(process, "verify", body + " ", KEY, signature, {"timestamp": NOW_MS}) is False
    assert asked(process, "verify", body, "key_other", signature, {"timestamp": NOW_MS}) is False


@pytest.mark.parametrize("generation", WITH_TRUE_SIGN)
@pytest.mark.parametrize("body", BODIES)
def test_we_verify_what_a_client_signs(sdk_process: Process, generation: Generation, body: str) -> None:
    signature = asked(sdk_process(generation), "sign", body, KEY, NOW_MS)
    assert signature == sign(body.encode(), KEY, NOW_MS)
    assert is_signed(body.encode(), KEY, str(signature), NOW_MS)
