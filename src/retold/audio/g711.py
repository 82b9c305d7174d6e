"""G.711 mu-law by table look-up (ITU-T G.711, 1988; 14-bit magnitudes, code words inverted).

Results equal those of the reference code of ITU-T G.191 as `audioop` has it: byte for byte.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from retold.audio.pcm import to_samples

_BIAS = 0x84
_CLIP = 32635


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    """One byte per sample to s16le PCM."""
    return _decode_table()[np.frombuffer(ulaw, dtype=np.uint8)].tobytes()


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """s16le PCM to one byte per sample. Raises ValueError on half a sample."""
    return _encode_table()[to_samples(pcm).view(np.uint16)].tobytes()


@functools.cache
def _decode_table() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0xFF
    magnitude = ((((code & 0x0F) << 3) + _BIAS) << ((code & 0x70) >> 4)) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


@functools.cache
def _encode_table() -> NDArray[np.uint8]:
    """The code of every 16-bit sample, indexed by the sample read as unsigned."""
    sample = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    # The reference works on the sample shifted to 14 bits, with arithmetic shift: it rounds down, also below zero.
    shifted = sample >> 2
    magnitude = np.minimum(np.where(shifted < 0, -shifted, shifted), _CLIP >> 2) + (_BIAS >> 2)
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    return (code ^ np.where(shifted < 0, 0x7F, 0xFF)).astype(np.uint8)
