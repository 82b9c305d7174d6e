"""The `X-Retell-Signature` header: how a webhook's receiver knows that the body is ours and fresh.

The value is `v=<unix ms>,d=<hex>`, where the digest is HMAC-SHA256 under the API key over body and decimal time. That
is what every client's `verify` takes; the strictest of them wants 64 lowercase digits and nothing around.
"""

import hashlib
import hmac
import re

HEADER = "X-Retell-Signature"
TOLERANCE_MS = 5 * 60 * 1000
_VALUE = re.compile(r"v=([0-9]{1,15}),d=([0-9a-f]{64})")


def sign(body: bytes, api_key: str, now_ms: int) -> str:
    """The header's value for this body, sent at this wall time."""
    return f"v={now_ms},d={_digest(body, api_key, str(now_ms))}"


def is_signed(body: bytes, api_key: str, signature: str, now_ms: int) -> bool:
    """Whether the value was made with this key for this body, no longer than the tolerance before or after `now_ms`."""
    found = _VALUE.fullmatch(signature)
    if found is None or abs(now_ms - int(found[1])) > TOLERANCE_MS:
        return False
    return hmac.compare_digest(_digest(body, api_key, found[1]), found[2])


def _digest(body: bytes, api_key: str, sent_ms: str) -> str:
    return hmac.new(api_key.encode(), body + sent_ms.encode(), hashlib.sha256).hexdigest()
