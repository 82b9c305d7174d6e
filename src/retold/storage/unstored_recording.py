"""The recordings of a call that may not be stored: made piece by piece when asked for, out of its sealed audio."""

import threading
from typing import Final

from retold.audio.pcm import BYTES_PER_SAMPLE, interleave, mix
from retold.audio.wav import HEADER_BYTES, wav_header
from retold.storage.recordings import CHUNK_SAMPLES, MULTI_CHANNEL, RECORDING, Recording
from retold.storage.sealed_audio import SealedAudio

_JOINS: Final = {RECORDING: (1, mix), MULTI_CHANNEL: (2, interleave)}
"""How many channels each has, and how it is made of the caller's and the agent's."""


class UnstoredRecording:
    """Both recordings of one call, as they would lie on disk; safe to use from any thread."""

    def __init__(self, recording: Recording, caller: SealedAudio, agent: SealedAudio) -> None:
        self._recording = recording
        self._caller = caller
        self._agent = agent
        self._lock = threading.Lock()

    def size(self, name: str) -> int:
        """Bytes of one of them; 0 for another name."""
        if name not in _JOINS:
            return 0
        channels, _ = _JOINS[name]
        return HEADER_BYTES + self._recording.samples * BYTES_PER_SAMPLE * channels

    def part(self, name: str, start: int) -> bytes:
        """Some bytes of one, from `start` on: a third of a second of sound at most. Blocks. Raises OSError."""
        channels, join = _JOINS[name]
        width = BYTES_PER_SAMPLE * channels
        if start < HEADER_BYTES:
            header = wav_header(self._recording.samples * width, self._recording.sample_rate, channels)
            return header[start:]
        first, inside = divmod(start - HEADER_BYTES, width)
        count = min(CHUNK_SAMPLES, self._recording.samples - first)
        with self._lock:
            left, right = (channel.read(first, count) for channel in (self._caller, self._agent))
        return join(left, right)[inside:]

    def remove(self) -> None:
        """Delete the files and forget the keys: nothing can be read any more. Raises OSError."""
        with self._lock:
            self._caller.remove()
            self._agent.remove()
