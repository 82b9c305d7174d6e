"""The audio of a call that may not be stored: on disk, but sealed under a key that only this process has.

```
[ piece 0 ][ piece 1 ] ...    each sealed by XChaCha20-Poly1305 under the key of its file, its number being the nonce
```
Where each piece belongs is known in memory: 24 bytes for each fifth of a second and channel, 15 kB for a minute of a
call. Without the key, which is never written, the file is noise: a process that dies takes the recording along.
"""

import os
import secrets
import threading
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import Final

from retold.audio.pcm import BYTES_PER_SAMPLE
from retold.storage.disk import Disk

FOLDER = "unstored"
"""Of the data folder."""
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 24
_TAG_BYTES: Final = 16


class SealedAudio:
    """One channel. Written by one thread, then read and removed by any; blocking."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._starts = array("q")
        self._offsets = array("q")
        self._sizes = array("q")
        self._longest = 0
        self._end = 0
        self._written = 0
        self._last = (-1, b"")
        self._reading = threading.Lock()

    def __repr__(self) -> str:
        return f"SealedAudio({len(self._starts)} pieces)"

    def write(self, disk: Disk, fd: int, pcm: bytes, start_sample: int) -> None:
        """Seal a piece that begins where or after all others began. Raises OSError."""
        # Imported when the first such call is recorded: few servers have any.
        from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt  # noqa: PLC0415 - as said

        number = self._written
        # Also when the disk does not take it: a nonce is never used for two pieces.
        self._written += 1
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(pcm, None, _nonce(number), self._key)
        disk.write(fd, sealed, self._end)
        place = bisect_left(self._starts, start_sample)
        self._starts.insert(place, start_sample)
        self._offsets.insert(place, self._end)
        self._sizes.insert(place, number << 32 | len(pcm))
        self._longest = max(self._longest, len(pcm) // BYTES_PER_SAMPLE)
        self._end += len(sealed)

    def read(self, start: int, count: int) -> bytes:
        """`count` samples from `start`; silence where nothing was recorded. Raises OSError, also when removed."""
        with self._reading:
            return self._read(start, count)

    def _read(self, start: int, count: int) -> bytes:
        if not self._key:
            raise FileNotFoundError(f"{self.path.name} was removed")
        got = bytearray(count * BYTES_PER_SAMPLE)
        if not self._starts:
            return bytes(got)
        first = bisect_left(self._starts, start - self._longest)
        last = bisect_left(self._starts, start + count)
        # A piece that was written later lies over an earlier one.
        for place in sorted(range(first, last), key=lambda place: self._sizes[place]):
            pcm = self._opened(place)
            at = (self._starts[place] - start) * BYTES_PER_SAMPLE
            piece = pcm[max(0, -at) : max(0, len(got) - at)]
            got[max(0, at) : max(0, at) + len(piece)] = piece
        return bytes(got)

    def remove(self) -> None:
        """Delete the file and forget the key; nothing can be read afterwards. Raises OSError."""
        with self._reading:
            self._key = b""
            self._last = (-1, b"")
            for index in (self._starts, self._offsets, self._sizes):
                del index[:]
        self.path.unlink(missing_ok=True)

    def _opened(self, place: int) -> bytes:
        from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt  # noqa: PLC0415 - see write()

        number, size = self._sizes[place] >> 32, self._sizes[place] & 0xFFFFFFFF
        known, pcm = self._last
        if known != number:
            fd = os.open(self.path, os.O_RDONLY)
            try:
                sealed = os.pread(fd, size + _TAG_BYTES, self._offsets[place])
            finally:
                os.close(fd)
            pcm = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, None, _nonce(number), self._key)
            # The next read mostly begins in the piece in which this one ends.
            self._last = (number, pcm)
        return pcm


SealedPair = tuple[SealedAudio, SealedAudio]
"""The caller's and the agent's."""


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "little")
