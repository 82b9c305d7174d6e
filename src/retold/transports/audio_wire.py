"""How sound looks on the v1 audio websocket: chunks in, frames out; no sockets and no clock.

Source: the "Audio WebSocket (Deprecated)" page and `retell-client-js-sdk` 1.3.3.
"""

import base64

import orjson

from retold.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from retold.domain.call import CallAudio
from retold.errors import FrontendCorrupted

PING = "ping"
PONG = "pong"
CLEAR = "clear"

MAX_CHUNK_MS = 250
_JS_SDK_CHUNK_SAMPLES = 2_048
"""The JS SDK's script processor sends this many samples at any rate: 256 ms at 8 kHz."""


class AudioWire:
    """Turns websocket payloads of one call into PCM s16le and back."""

    def __init__(self, audio: CallAudio) -> None:
        self._is_mulaw = audio.encoding == "mulaw"
        self._bytes_per_sample = 1 if self._is_mulaw else 2
        samples = max(audio.sample_rate * MAX_CHUNK_MS // 1000, _JS_SDK_CHUNK_SAMPLES)
        self._max_bytes = samples * self._bytes_per_sample

    def decode(self, chunk: bytes) -> bytes:
        """The PCM of one binary frame from the client. Raises FrontendCorrupted on one that cannot be sound."""
        size = len(chunk)
        if size == 0 or size > self._max_bytes or size % self._bytes_per_sample:
            raise FrontendCorrupted(self._complaint(size))
        return ulaw_to_pcm(chunk) if self._is_mulaw else chunk

    def encode(self, pcm: bytes) -> bytes:
        """One binary frame for the client."""
        return pcm_to_ulaw(pcm) if self._is_mulaw else pcm

    def encode_aligned(self, pcm: bytes, text: str) -> str:
        """The JSON that takes the place of a binary frame under `enable_audio_alignment`."""
        audio = base64.b64encode(self.encode(pcm)).decode()
        return orjson.dumps({"audio": audio, "text": text}).decode()

    def _complaint(self, size: int) -> str:
        if size == 0:
            return "audio chunk is empty; send at least one sample"
        if size > self._max_bytes:
            return f"audio chunk of {size} bytes is over {self._max_bytes} ({MAX_CHUNK_MS} ms); send smaller chunks"
        return f"audio chunk of {size} bytes ends in half a sample; send whole s16le samples of 2 bytes"


def unknown_text(text: str) -> FrontendCorrupted:
    """The error for a text frame that the protocol does not know."""
    return FrontendCorrupted(f"text frame {text[:40]!r} is unknown; send `{PING}` or binary audio")
