"""Cuts a recording into the pieces of utterances that a recogniser is fed with in a call."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from retold.ports import SPEECH_RATE_HZ, SpeechAudio, VoiceActivityDetector

_FRAME_MS: Final = 20
_FRAME_BYTES: Final = SPEECH_RATE_HZ * _FRAME_MS // 1000 * 2
_SPEECH: Final = 0.5
_PAUSE_MS: Final = 200
_LEAD_IN_MS: Final = 300
_UTTERANCE_ENDS_MS: Final = 1_500


def pieces(pcm: bytes, detector: VoiceActivityDetector) -> Iterator[SpeechAudio]:
    """Pieces of 20 ms of the 16 kHz audio `pcm`: 300 ms before the speech, a pause mark after 200 ms of silence.

    An utterance goes on when speech does within 1.5 s of its last pause.
    """
    tail = bytes(_FRAME_BYTES * (_PAUSE_MS // _FRAME_MS + 5))
    lead_in: deque[tuple[float, bytes]] = deque(maxlen=_LEAD_IN_MS // _FRAME_MS)
    utterance, silent_ms, is_open, is_paused = 0, 0, False, False
    for index in range(0, len(pcm) + len(tail), _FRAME_BYTES):
        at_ms = index / _FRAME_BYTES * _FRAME_MS
        frame = (pcm + tail)[index : index + _FRAME_BYTES].ljust(_FRAME_BYTES, b"\0")
        is_speech = detector.feed(frame) > _SPEECH
        silent_ms = 0 if is_speech else silent_ms + _FRAME_MS
        if is_open and is_paused and silent_ms > _UTTERANCE_ENDS_MS:
            is_open = False
        if not is_open:
            lead_in.append((at_ms, frame))
            if is_speech:
                utterance, is_open, is_paused = utterance + 1, True, False
                yield SpeechAudio(utterance, lead_in[0][0], b"".join(held for _, held in lead_in))
                lead_in.clear()
            continue
        marks_pause = not is_paused and silent_ms >= _PAUSE_MS
        is_paused = (is_paused and not is_speech) or marks_pause
        yield SpeechAudio(utterance, at_ms, frame, is_pause=marks_pause)
