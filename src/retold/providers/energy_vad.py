"""Voice activity detection by energy over an adaptive noise floor: no model, for tests and load."""

import math
from typing import Final

from retold.audio import pcm as pcm_tools

_SILENCE_DB: Final = -90.0
_FLOOR_AT_FIRST_DB: Final = -65.0
_LOWEST_FLOOR_DB: Final = -70.0
_HIGHEST_FLOOR_DB: Final = -30.0
_SPEECH_ABOVE_FLOOR_DB: Final = 15.0
_SLOPE_DB: Final = 2.0
"""How many dB around the threshold turn the probability from 0.27 to 0.73."""
_FALL: Final = 0.2
"""Share of the way down to a quieter frame that the floor goes at once."""
_RISE_DB: Final = 0.1
"""How far noise lifts the floor per frame: 5 dB per second."""
_RISE_IN_SPEECH_DB: Final = 0.01
"""The same while the frame counts as speech: a long tone stays speech, a lasting noise does not for ever."""


class EnergyVad:
    """Speech or not for one call, from the loudness of each frame alone."""

    def __init__(self) -> None:
        self._floor_db = _FLOOR_AT_FIRST_DB

    def feed(self, pcm: bytes) -> float:
        """Take one frame of 16-bit PCM (20 ms, 640 bytes); give its probability of speech, 0 to 1."""
        level_db = _level_db(pcm)
        above_db = level_db - self._floor_db - _SPEECH_ABOVE_FLOOR_DB
        if above_db > 0:
            self._floor_db += _RISE_IN_SPEECH_DB
        elif level_db > self._floor_db:
            self._floor_db += _RISE_DB
        else:
            self._floor_db += (level_db - self._floor_db) * _FALL
        self._floor_db = min(max(self._floor_db, _LOWEST_FLOOR_DB), _HIGHEST_FLOOR_DB)
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, above_db / _SLOPE_DB))))


def _level_db(pcm: bytes) -> float:
    rms = pcm_tools.rms(pcm)
    return 20 * math.log10(rms / pcm_tools.FULL_SCALE) if rms else _SILENCE_DB
