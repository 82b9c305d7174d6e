"""The recordings of a call that may not be stored: made piece by piece when asked for, out of its sealed audio."""

from retold.audio.pcm import BYTES_PER_SAMPLE
from retold.audio.wav import HEADER_BYTES, wav_header
from retold.storage.recordings import CHUNK_SAMPLES, Recording, tracks_of
from retold.storage.sealed_audio import SealedAudio


class UnstoredRecording:
    """The recordings of one call, as they would lie on disk; safe to use from any thread."""

    def __init__(self, recording: Recording, caller: SealedAudio, agent: SealedAudio) -> None:
        self._recording = recording
        self._tracks = {track.name: track for track in tracks_of(recording)}
        self._caller = caller
        self._agent = agent

    def size(self, name: str) -> int:
        """Bytes of one of them; 0 for another name."""
        track = self._tracks.get(name)
        return HEADER_BYTES + self._recording.samples * BYTES_PER_SAMPLE * track.channels if track else 0

    def part(self, name: str, start: int) -> bytes:
        """Some bytes of one, from `start` on: a third of a second of sound at most. Blocks. Raises OSError."""
        track = self._tracks[name]
        width = BYTES_PER_SAMPLE * track.channels
        if start < HEADER_BYTES:
            header = wav_header(self._recording.samples * width, self._recording.sample_rate, track.channels)
            return header[start:]
        first, inside = divmod(start - HEADER_BYTES, width)
        count = min(CHUNK_SAMPLES, self._recording.samples - first)
        left, right = (channel.read(first, count) for channel in (self._caller, self._agent))
        return track.of(left, right, first)[inside:]

    def remove(self) -> None:
        """Delete the files and forget the keys: nothing can be read any more. Raises OSError."""
        self._caller.remove()
        self._agent.remove()
