"""Secrets that must be readable again, sealed with XChaCha20-Poly1305 under the server's master key.

The master key is `RETOLD_MASTER_KEY`, else the file `master.key` of the data folder, made when it is first needed.
Without it what was sealed is lost: it belongs into a backup of its own.
"""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from retold.errors import StorageError
from retold.storage.once import kept_once

FILE_NAME = "master.key"
_KEY_BYTES = 32
_FORM = "2:"
"""How sealed text begins; then, in base64, a nonce of 24 bytes and what it seals."""
_FIRST_FORM = "1:"
"""AES-256-GCM with a nonce of 12 bytes: opened where a data folder still has it, made no more."""
_FIRST_NONCE_BYTES = 12


class MasterKey:
    """Seals and opens; blocking, since the first use reads or makes a file."""

    def __init__(self, folder: Path, from_settings: str | None) -> None:
        self._path = folder / FILE_NAME
        self._from_settings = from_settings

    def seal(self, text: str, *, owner: str) -> str:
        """Text that only `open` with the same owner turns back. Raises StorageError."""
        # Imported when a secret is sealed: it costs memory and time that most commands need not spend.
        from nacl.secret import Aead  # noqa: PLC0415 - as said

        return _FORM + base64.b64encode(Aead(self._key()).encrypt(text.encode(), owner.encode())).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """What was sealed. Raises StorageError when the master key or the text is another."""
        open_form = _open_first_form if sealed.startswith(_FIRST_FORM) else _open_form
        opened = open_form(self._key(), base64.b64decode(sealed[len(_FORM) :]), owner.encode())
        if opened is None:
            raise StorageError(
                "a stored secret was sealed under another master key; restore master.key or RETOLD_MASTER_KEY"
            )
        return opened.decode()

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, which tells nothing of the master key. Raises StorageError."""
        return hmac.digest(self._key(), f"retold {purpose}".encode(), hashlib.sha256)

    @property
    def text(self) -> str:
        """The key in hex, as `RETOLD_MASTER_KEY` takes it. Raises StorageError."""
        return self._key().hex()

    def _key(self) -> bytes:
        if self._from_settings is not None:
            return bytes.fromhex(self._from_settings)
        try:
            key = bytes.fromhex(kept_once(self._path, secrets.token_hex(_KEY_BYTES)).strip())
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot use the master key {self._path}: {error}; restore it from a backup") from error
        if len(key) != _KEY_BYTES:
            raise StorageError(f"the master key {self._path} must have 64 hex digits; restore it from a backup")
        return key


def _open_form(key: bytes, packed: bytes, owner: bytes) -> bytes | None:
    """What was sealed; None when it was not by this key for this owner."""
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - see MasterKey.seal
    from nacl.secret import Aead  # noqa: PLC0415 - see MasterKey.seal

    try:
        return Aead(key).decrypt(packed, owner)
    except CryptoError:
        return None


def _open_first_form(key: bytes, packed: bytes, owner: bytes) -> bytes | None:
    """The same for the first form."""
    # 8 MB, for an OpenSSL of its own: few servers have anything that needs it. libsodium has AES-GCM too, but not on
    # every processor.
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as said
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as said

    try:
        return AESGCM(key).decrypt(packed[:_FIRST_NONCE_BYTES], packed[_FIRST_NONCE_BYTES:], owner)
    except InvalidTag:
        return None
