"""G.711 mu-law (ITU-T G.711, 1988): one byte per sample, 14 bits of range."""

from retold.audio.native import audioop
from retold.audio.pcm import BYTES_PER_SAMPLE


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    """One byte per sample to s16le PCM."""
    return audioop.ulaw2lin(ulaw, BYTES_PER_SAMPLE)


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """s16le PCM to one byte per sample. Raises audioop.error on half a sample."""
    return audioop.lin2ulaw(pcm, BYTES_PER_SAMPLE)
