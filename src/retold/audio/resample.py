"""Change of sample rate for live streams and whole clips, by FFmpeg's swresample through PyAV.

Positions stay true: an impulse at t seconds of the input lies at t seconds of the output, because swresample
leaves out the group delay of its filter at the start. What a stream costs is only that the last 2 ms
are held back until more input or `flush()` comes.
"""

from typing import TYPE_CHECKING

from retold.audio.pcm import BYTES_PER_SAMPLE, silence, to_samples

if TYPE_CHECKING:
    from av.audio.resampler import AudioResampler


class StreamResampler:
    """Resample one PCM stream piece by piece; `flush()` ends it, and the next `feed()` begins another."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError(f"cannot resample {from_hz} Hz to {to_hz} Hz; rates are over 0")
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._resampler: AudioResampler | None = None
        self._taken = 0
        self._given = 0

    def feed(self, pcm: bytes) -> bytes:
        """Take any number of samples; give what is ready. Raises ValueError on half a sample."""
        if self.from_hz == self.to_hz or not pcm:
            return pcm
        # Imported here: PyAV takes 0.1 s and 20 MB, and a call at one rate needs none of it.
        from av import AudioFrame  # noqa: PLC0415
        from av.audio.resampler import AudioResampler  # noqa: PLC0415

        if self._resampler is None:
            self._resampler = AudioResampler(format="s16", layout="mono", rate=self.to_hz)
        samples = to_samples(pcm)
        frame = AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = self.from_hz
        out = b"".join(part.to_ndarray().tobytes() for part in self._resampler.resample(frame))
        self._taken += len(samples)
        self._given += len(out) // BYTES_PER_SAMPLE
        return out

    def flush(self) -> bytes:
        """Give what was held back; the stream then has exactly round(samples * to / from) samples in all."""
        if self._resampler is None:
            return b""
        rest = b"".join(part.to_ndarray().tobytes() for part in self._resampler.resample(None))
        wanted = round(self._taken * self.to_hz / self.from_hz) - self._given
        self._resampler, self._taken, self._given = None, 0, 0
        return (rest + silence(wanted - len(rest) // BYTES_PER_SAMPLE))[: max(wanted, 0) * BYTES_PER_SAMPLE]


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Resample a whole clip to round(samples * to / from) samples."""
    resampler = StreamResampler(from_hz, to_hz)
    return resampler.feed(pcm) + resampler.flush()
