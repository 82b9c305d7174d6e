"""Secrets that must be readable again, sealed with AES-256-GCM under the server's master key.

The master key is `RETOLD_MASTER_KEY`, else the file `master.key` of the data folder, made when it is first needed.
Without it what was sealed is lost: it belongs into a backup of its own.
"""

import base64
import secrets
from pathlib import Path

from retold.errors import StorageError
from retold.storage.once import kept_once

FILE_NAME = "master.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = "1:"
"""How sealed text begins, so that another form can stand beside it."""


class MasterKey:
    """Seals and opens; blocking, since the first use reads or makes a file."""

    def __init__(self, folder: Path, from_settings: str | None) -> None:
        self._path = folder / FILE_NAME
        self._from_settings = from_settings

    def seal(self, text: str, *, owner: str) -> str:
        """Text that only `open` with the same owner turns back. Raises StorageError."""
        # Imported when a secret is sealed: it costs memory and time that most commands need not spend.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as said

        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._key()).encrypt(nonce, text.encode(), owner.encode())
        return _FORM + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """What was sealed. Raises StorageError when the master key or the text is another."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see seal()
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see seal()

        parts = base64.b64decode(sealed.removeprefix(_FORM))
        try:
            opened = AESGCM(self._key()).decrypt(parts[:_NONCE_BYTES], parts[_NONCE_BYTES:], owner.encode())
        except InvalidTag as error:
            raise StorageError(
                "a stored secret was sealed under another master key; restore master.key or RETOLD_MASTER_KEY"
            ) from error
        return opened.decode()

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
