"""The addresses of recordings and logs as they are shown: made when somebody reads a call, never stored.

Of a call with `opt_in_signed_url` they carry their own end and a signature over path and end:
`/files/s<token>/recording.wav?exp=<milliseconds since the epoch>&sig=<base64url>`. The `s` is part of what is signed,
and says that nothing under this token is served without a signature.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from retold.ids import SIGNED_MARK

DEFAULT_EXPIRATION_MS: Final = 86_400_000
"""Retell's default of `signed_url_expiration_ms`."""
_MAX_DIGITS: Final = 16
"""Of an end that is still looked at."""


class UrlSigner:
    """Signs and checks; keys are asked for each time, so that a new master key counts at once.

    `former` are those that an address may still be signed with.
    """

    def __init__(self, key: Callable[[], bytes], former: Callable[[], Sequence[bytes]] = tuple) -> None:
        self._key = key
        self._former = former

    def query(self, path: str, expires_ms: int) -> str:
        """What is added to a path for it to be served until then. Raises StorageError without a master key."""
        return f"?exp={expires_ms}&sig={_signature(self._key(), path, expires_ms)}"

    def is_good(self, path: str, query: Mapping[str, str], now_ms: int) -> bool:
        """Whether this path is signed with what its query says, and still served. Raises StorageError."""
        written, signature = query.get("exp", ""), query.get("sig", "")
        if not (written.isascii() and written.isdigit() and len(written) <= _MAX_DIGITS and signature.isascii()):
            return False
        keys = (self._key(), *self._former())
        is_signed = any(hmac.compare_digest(_signature(key, path, int(written)), signature) for key in keys)
        return is_signed and now_ms < int(written)


def _signature(key: bytes, path: str, expires_ms: int) -> str:
    digest = hmac.digest(key, f"{path}\n{expires_ms}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class FileLinks:
    """How the files of calls are shown to one client at one moment."""

    base_url: str
    """The address of this server, without a slash at its end."""
    signer: UrlSigner
    now_ms: int

    def query(self, path: str, rest: Mapping[str, Any]) -> str:
        """What follows the path of a file: nothing, or its end and signature; `rest` is the record beside its call."""
        if not rest["files_token"].startswith(SIGNED_MARK):
            return ""
        lifetime_ms = rest.get("signed_url_expiration_ms") or DEFAULT_EXPIRATION_MS
        return self.signer.query(path, self.now_ms + lifetime_ms)
