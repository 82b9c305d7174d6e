"""Secrets that must be readable again, sealed with XChaCha20-Poly1305 under the server's master key.

The master key is `RETOLD_MASTER_KEY`, else the file `master.key` of the data folder, made when it is first needed.
Without it what was sealed is lost: it belongs into a backup of its own. While it is being changed there are several,
one a line in the file, separated by commas in the setting: the first seals, all of them open. The file is read at each
use, so that every process knows of a change at once.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from retold.errors import StorageError
from retold.storage.disk import Disk
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

        return _FORM + base64.b64encode(Aead(self._keys()[0]).encrypt(text.encode(), owner.encode())).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """What was sealed. Raises StorageError when the master key or the text is another."""
        for key in self._keys():
            opened = _opened(key, sealed, owner)
            if opened is not None:
                return opened.decode()
        raise StorageError(
            "a stored secret was sealed under another master key; restore master.key or RETOLD_MASTER_KEY"
        )

    def resealed(self, sealed: str, *, owner: str) -> str | None:
        """The same secret under the key that seals now; None when it is already. Raises StorageError."""
        if sealed.startswith(_FORM) and _opened(self._keys()[0], sealed, owner) is not None:
            return None
        return self.seal(self.open(sealed, owner=owner), owner=owner)

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, which tells nothing of the master key. Raises StorageError."""
        return self.all_derived(purpose)[0]

    def all_derived(self, purpose: str) -> list[bytes]:
        """The same of each master key there is, that which seals first. Raises StorageError."""
        return [hmac.digest(key, f"retold {purpose}".encode(), hashlib.sha256) for key in self._keys()]

    @property
    def text(self) -> str:
        """The keys in hex, as the file has them. Raises StorageError."""
        return "\n".join(key.hex() for key in self._keys())

    @property
    def is_of_settings(self) -> bool:
        """Whether the settings say it, and not the file."""
        return self._from_settings is not None

    @property
    def has_former(self) -> bool:
        """Whether there are keys that only open. Raises StorageError."""
        return len(self._keys()) > 1

    def begin_change(self) -> None:
        """Put another key in front of the file's, unless a change has begun already. Raises StorageError, OSError."""
        if not self.has_former:
            self._write([secrets.token_bytes(_KEY_BYTES), *self._keys()])

    def end_change(self) -> None:
        """Forget all keys of the file but the one that seals. Raises StorageError and OSError."""
        self._write(self._keys()[:1])

    def _write(self, keys: Sequence[bytes]) -> None:
        """Have the file hold these; at no moment does it hold anything else than what it did or does."""
        partial = self._path.with_suffix(".part")
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        disk = Disk()
        try:
            disk.write(fd, "\n".join(key.hex() for key in keys).encode(), 0)
            disk.fsync(fd)
        finally:
            os.close(fd)
        disk.replace(partial, self._path)

    def _keys(self) -> list[bytes]:
        if self._from_settings is not None:
            return [bytes.fromhex(key) for key in self._from_settings.split(",")]
        try:
            lines = kept_once(self._path, secrets.token_hex(_KEY_BYTES)).split()
            keys = [bytes.fromhex(line) for line in lines]
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot use the master key {self._path}: {error}; restore it from a backup") from error
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise StorageError(f"the master key {self._path} must have 64 hex digits; restore it from a backup")
        return keys


def _opened(key: bytes, sealed: str, owner: str) -> bytes | None:
    """What was sealed; None when it was not by this key for this owner."""
    open_form = _open_first_form if sealed.startswith(_FIRST_FORM) else _open_form
    return open_form(key, base64.b64decode(sealed[len(_FORM) :]), owner.encode())


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
