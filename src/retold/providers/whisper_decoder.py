"""One Whisper model in CTranslate2 format: audio in, words with times out. Blocking; made to be run in threads."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import ctranslate2
import numpy as np
import numpy.typing as npt
import tokenizers

from retold.domain.transcript import Word
from retold.providers.models import whisper_folder
from retold.providers.whisper_features import HOP, SAMPLE_RATE_HZ, LogMel
from retold.providers.word_sequence import shifted, without_repeats
from retold.providers.word_times import audible, fit, levels_db
from retold.settings import LocalSpeechSettings

_PADDING: Final = 4_800
"""Silence put before and after the audio, in samples: without 300 ms of it short words are misheard."""
_WINDOW: Final = 1_000
"""Shortest encoder window in 10 ms frames; 10 s costs a fifth of the usual 30 s at the same word error rate."""
_WINDOW_SHORT_SPEECH: Final = 1_500
_WINDOW_MOST: Final = 3_000
_WINDOW_MARGIN: Final = 200
_SHORT_SPEECH_S: Final = 2.0
_LONGEST_S: Final = 27
_SPLIT_FROM_S: Final = 12
_SPLIT_TO_S: Final = 24
_SPLIT_FRAMES: Final = 20
"""So many frames of 10 ms are judged together for the quietest place."""
_TOKENS_PER_S: Final = 8
_TOKENS_ALWAYS: Final = 8
_TOKEN_MS: Final = 20
"""Resolution of the alignment."""
_NO_SPEECH: Final = 0.6
_MEDIAN_FILTER: Final = 7
_UNSPACED: Final = frozenset({"zh", "ja", "th", "lo", "my", "yue", "km", "bo"})
"""Languages written without spaces: each token that is whole characters counts as a word."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word as the model spelled it: its first token, and its last one that has a letter or digit."""

    text: str
    first: int
    sounded: int


class WhisperDecoder:
    """A loaded model that decodes up to `threads` stretches of speech at a time, one processor core each."""

    def __init__(self, settings: LocalSpeechSettings) -> None:
        folder = str(whisper_folder(settings))
        self._model = ctranslate2.models.Whisper(
            folder, device="cpu", compute_type="int8", intra_threads=1, inter_threads=settings.stt_threads
        )
        self._tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        self._features = LogMel(self._model.n_mels)
        self._end_of_text = self._token("<|endoftext|>")
        self._no_timestamps = self._token("<|notimestamps|>")

    def decode(self, samples: Floats, language: str, *, is_final: bool) -> tuple[Word, ...]:
        """Recognise 16 kHz audio; word times are milliseconds from its start. No words: no speech in it.

        Audio longer than the model can hear at a time is split where it is quietest. `language` is a primary subtag;
        an English-only model ignores it. Raises RuntimeError or ValueError when the model fails.
        """
        if len(samples) > _LONGEST_S * SAMPLE_RATE_HZ:
            cut = _quietest(samples)
            later = self.decode(samples[cut:], language, is_final=is_final)
            return (
                *self.decode(samples[:cut], language, is_final=is_final),
                *shifted(later, cut * 1000 / SAMPLE_RATE_HZ),
            )
        padded = np.pad(samples, _PADDING)
        is_short = is_final and len(samples) < _SHORT_SPEECH_S * SAMPLE_RATE_HZ
        frames = len(padded) // HOP
        window = max(_WINDOW_SHORT_SPEECH if is_short else _WINDOW, min(_WINDOW_MOST, frames + _WINDOW_MARGIN))
        features = self._features(padded, window)
        encoded = self._model.encode(ctranslate2.StorageView.from_array(features[None]))
        start = self._start_sequence(language)
        tokens = self._generate(encoded, start, len(samples))
        if not tokens:
            return ()
        aligned = self._model.align(
            encoded, start, [tokens], min(frames, window) // 2 * 2, median_filter_width=_MEDIAN_FILTER
        )[0]
        words = self._timed_words(tokens, aligned.alignments, language)
        return tuple(without_repeats(fit(words, audible(levels_db(samples)))))

    def _generate(self, encoded: Any, start: list[int], samples: int) -> list[int]:
        most_tokens = int(samples / SAMPLE_RATE_HZ * _TOKENS_PER_S) + _TOKENS_ALWAYS
        result = self._model.generate(
            encoded,
            [[*start, self._no_timestamps]],
            beam_size=1,
            max_length=len(start) + 1 + most_tokens,
            return_no_speech_prob=True,
        )[0]
        tokens = [token for token in result.sequences_ids[0] if token < self._end_of_text]
        has_words = any(map(str.isalnum, self._tokenizer.decode(tokens)))
        return tokens if has_words and result.no_speech_prob <= _NO_SPEECH else []

    def _timed_words(self, tokens: list[int], alignment: Sequence[tuple[int, int]], language: str) -> list[Word]:
        """The words with their raw times; token i sounds from its first aligned frame to that of token i + 1."""
        first_frame: dict[int, int] = {}
        for token, frame in alignment:
            first_frame.setdefault(token, frame)
        last_frame = alignment[-1][1]
        at_ms = [first_frame.get(index, last_frame) * _TOKEN_MS for index in range(len(tokens) + 1)]
        skipped_ms = _PADDING * 1000 / SAMPLE_RATE_HZ
        return [
            Word(piece.text, max(0.0, at_ms[piece.first] - skipped_ms), max(0.0, at_ms[piece.sounded + 1] - skipped_ms))
            for piece in self._pieces(tokens, language)
        ]

    def _pieces(self, tokens: list[int], language: str) -> list[_Piece]:
        groups: list[list[int]] = []
        for index, token in enumerate(tokens):
            spelled = self._tokenizer.id_to_token(token) or ""
            begins = language in _UNSPACED and "\ufffd" not in self._tokenizer.decode([token])
            is_mark = not any(map(str.isalnum, self._tokenizer.decode([token])))
            if not groups or begins or (spelled.startswith("Ġ") and not is_mark):
                groups.append([index])
            else:
                groups[-1].append(index)
        return [piece for group in groups if (piece := self._piece(tokens, group))]

    def _piece(self, tokens: list[int], group: list[int]) -> _Piece | None:
        text = self._tokenizer.decode([tokens[index] for index in group]).strip()
        sounding = [index for index in group if re.search(r"\w", self._tokenizer.decode([tokens[index]]))]
        if not any(map(str.isalnum, text)):
            return None
        return _Piece(text, group[0], sounding[-1] if sounding else group[-1])

    def _start_sequence(self, language: str) -> list[int]:
        begin = self._token("<|startoftranscript|>")
        if not self._model.is_multilingual:
            return [begin]
        return [begin, self._token(f"<|{language}|>"), self._token("<|transcribe|>")]

    def _token(self, text: str) -> int:
        token = self._tokenizer.token_to_id(text)
        if token is None:
            raise ValueError(f"the model's tokenizer.json has no {text}")
        return token


def _quietest(samples: Floats) -> int:
    """The sample in the middle of the quietest 200 ms between 12 and 24 s."""
    frames_per_s = SAMPLE_RATE_HZ // HOP
    levels = levels_db(samples[: _SPLIT_TO_S * SAMPLE_RATE_HZ])[_SPLIT_FROM_S * frames_per_s :]
    smooth = np.convolve(levels, np.ones(_SPLIT_FRAMES), mode="valid")
    return (_SPLIT_FROM_S * frames_per_s + int(np.argmin(smooth)) + _SPLIT_FRAMES // 2) * HOP
