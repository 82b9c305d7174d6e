"""The headers of Standard Webhooks (the specification of that name, 1.0), which receivers know without Retell's SDK.

What is signed is `<id>.<seconds>.<body>`, by HMAC-SHA256 in base64. The secret is made of the key that signs
webhooks, one way: who has it can verify, and cannot use the API. It is none of the hashes that are kept of the key.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

ID_HEADER: Final = "webhook-id"
"""The same at each attempt of one event."""
TIME_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
TOLERANCE_S: Final = 5 * 60
_SECRET: Final = "whsec_"  # noqa: S105 - how a secret begins
_PURPOSE: Final = b"standard-webhooks"
_VERSION: Final = "v1,"


def secret_of(api_key: str) -> str:
    """The secret for a Standard Webhooks library: `whsec_` and 32 bytes in base64."""
    return _SECRET + base64.b64encode(_secret(api_key)).decode()


def headers(body: bytes, api_key: str, event_id: str, now_ms: int) -> dict[str, str]:
    """The three headers for this body, sent at this wall time."""
    sent_s = str(now_ms // 1000)
    return {ID_HEADER: event_id, TIME_HEADER: sent_s, SIGNATURE_HEADER: _signature(body, api_key, event_id, sent_s)}


def is_signed(body: bytes, api_key: str, sent: Mapping[str, str], now_ms: int) -> bool:
    """Whether these headers, names in lower case, were made with this key for this body, within the tolerance."""
    event_id, sent_s = sent.get(ID_HEADER, ""), sent.get(TIME_HEADER, "")
    if not (sent_s.isascii() and sent_s.isdigit() and len(sent_s) < 16):
        return False
    if abs(now_ms // 1000 - int(sent_s)) > TOLERANCE_S:
        return False
    wanted = _signature(body, api_key, event_id, sent_s)
    # A sender that changes its key sends one signature for each.
    return any(_is_same(wanted, one) for one in sent.get(SIGNATURE_HEADER, "").split(" "))


def _is_same(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode())


def _signature(body: bytes, api_key: str, event_id: str, sent_s: str) -> str:
    message = f"{event_id}.{sent_s}.".encode() + body
    return _VERSION + base64.b64encode(hmac.new(_secret(api_key), message, hashlib.sha256).digest()).decode()


def _secret(api_key: str) -> bytes:
    return hmac.new(api_key.encode(), _PURPOSE, hashlib.sha256).digest()
