"""Change of sample rate for live streams and whole clips.

Small whole ratios, as from 8 or 24 kHz to the 16 kHz of speech recognition, are our own polyphase filter; the
others are FFmpeg's swresample through PyAV.

Positions stay true: an impulse at t seconds of the input lies at t seconds of the output, because both
leave out the group delay of their filter at the start. What a stream costs is only that the last 2 ms
(up to 4 ms after pieces of odd lengths) are held back until more input or `flush()` comes.
"""

from typing import TYPE_CHECKING, Protocol

from retold.audio.pcm import BYTES_PER_SAMPLE, silence, to_samples
from retold.audio.polyphase import SmallRatio, is_small_ratio

if TYPE_CHECKING:
    from av import AudioFrame


class _Filter(Protocol):
    def feed(self, pcm: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class StreamResampler:
    """Resample one PCM stream piece by piece; `flush()` ends it, and the next `feed()` begins another."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError(f"cannot resample {from_hz} Hz to {to_hz} Hz; rates are over 0")
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._filter: _Filter | None = None
        self._taken = 0
        self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Take any number of samples; give what is ready. Raises ValueError on half a sample."""
        if self.from_hz == self.to_hz or not pcm:
            return pcm
        if self._filter is None:
            is_small = is_small_ratio(self.from_hz, self.to_hz)
            self._filter = (SmallRatio if is_small else _AnyRatio)(self.from_hz, self.to_hz)
        out = self._filter.feed(pcm)
        self._taken += len(pcm) // BYTES_PER_SAMPLE
        self._given += len(out) // BYTES_PER_SAMPLE
        return out

    def flush(self) -> bytes:
        """Give what was held back; the stream then has exactly round(samples * to / from) samples in all."""
        if self._filter is None:
            return b""
        rest = self._filter.flush()
        wanted = round(self._taken * self.to_hz / self.from_hz) - self._given
        self._filter, self._taken, self._given = None, 0, 0
        return (rest + silence(wanted - len(rest) // BYTES_PER_SAMPLE))[: max(wanted, 0) * BYTES_PER_SAMPLE]


class _AnyRatio:
    """swresample for one stream."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        # Imported here: PyAV takes 0.1 s and 20 MB, and most calls need none of it.
        from av.audio.resampler import AudioResampler  # noqa: PLC0415

        self._from_hz = from_hz
        self._resampler: AudioResampler = AudioResampler(format="s16", layout="mono", rate=to_hz)

    def feed(self, pcm: bytes) -> bytes:
        from av import AudioFrame  # noqa: PLC0415 - as above

        frame = AudioFrame.from_ndarray(to_samples(pcm)[None, :], format="s16", layout="mono")
        frame.sample_rate = self._from_hz
        return self._drain(frame)

    def flush(self) -> bytes:
        return self._drain(None)

    def _drain(self, frame: "AudioFrame | None") -> bytes:
        return b"".join(part.to_ndarray().tobytes() for part in self._resampler.resample(frame))


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Resample a whole clip to round(samples * to / from) samples."""
    resampler = StreamResampler(from_hz, to_hz)
    return resampler.feed(pcm) + resampler.flush()
