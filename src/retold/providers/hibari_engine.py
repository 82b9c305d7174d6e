"""hibari 0.2.1 behind a small face: a sentence in, PCM with the time of each written word out.

Everything here is synchronous, runs in worker threads and needs the `local` extra; local_tts imports it lazily.
"""

import json
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from hibari import dsp
from hibari.g2p import G2P
from hibari.g2p.normalize import normalize
from hibari.voices import DEFAULT, voice_path
from numpy.typing import NDArray

from retold.audio.pcm import to_pcm
from retold.domain.transcript import Word
from retold.providers.local_tts import Manner, SpokenPiece
from retold.providers.speech_text import ends_sentence, split_sentences, verbalise
from retold.providers.spoken_times import SILENT_PHONEMES, Phoneme, Span, word_spans

RATE_HZ: int = dsp.SR
FRAME_MS = 25.0
"""Length of one step of the network's phoneme lengths: 600 samples."""
MAX_PHONEMES = 400
SEED = 1
"""Of the noise in voices; fixed, so that a text sounds bit for bit the same each time."""

GAIN = 2.0
"""Brings hibari's speech (peaks 0.3 to 0.45) to peaks of about -3 dBFS and -22 dBFS on average."""
KNEE, CEILING = 0.6, 0.95
"""Peaks over the knee, of full scale, are bent so that they never pass the ceiling."""

SMOOTHED_BINS = 9

LEADING_MS = 10.0
SENTENCE_PAUSE_MS = 120.0
CLAUSE_PAUSE_MS = 60.0
INAUDIBLE = 10 ** (-55 / 20)
"""Amplitude under which the edges of a sentence count as silence; soft consonants at its start are louder."""

_LENGTHS_TENSOR = b"/Clip_output_0"


class HibariEngine:
    """The loaded model and its pronunciation; may be used by several threads at a time."""

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        """Load from the installed packages; about a second. Raises ImportError or OSError when a part is missing."""
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The phoneme lengths are a tensor inside the graph. Protobuf messages merge on concatenation, so one more
        # graph output is appended to the file's bytes: ModelProto.graph (7), .output (12), .name (1).
        model = Path(voice_path(DEFAULT, download_missing=False)).read_bytes()
        output = _field(7, _field(12, _field(1, _LENGTHS_TENSOR)))
        self._session: Any = onnxruntime.InferenceSession(model + output, options, providers=["CPUExecutionProvider"])
        self._ids: dict[str, int] = json.loads(
            resources.files("hibari").joinpath("assets/vocab.json").read_text("utf-8")
        )
        self._pronunciation: Any = G2P()
        self._pronunciation.oov("warm")

    def speak(self, text: str, manner: Manner) -> Iterator[SpokenPiece]:
        """Speak sentence by sentence, each made when asked for. Together the words are `text.split()`.

        Written words without sound (dashes, emoji) have zero length at their place; a text of only such words gives
        one piece without audio.
        """
        clock_ms = 0.0
        waiting: list[Word] = []
        for sentence in split_sentences(text):
            for pcm, words in self._sentence(sentence, manner):
                placed = tuple(Word(word.text, word.start_ms + clock_ms, word.end_ms + clock_ms) for word in words)
                if not pcm:
                    waiting += placed
                    continue
                yield SpokenPiece(pcm, (*waiting, *placed))
                waiting = []
                clock_ms += len(pcm) * 500 / RATE_HZ
        if waiting:
            yield SpokenPiece(b"", tuple(waiting))

    def _sentence(self, written: Sequence[str], manner: Manner) -> Iterator[tuple[bytes, list[Word]]]:
        """The sentence in pieces that the network can take, times from the start of each; b"" when it has no sound."""
        told = 0
        pieces = _cut(self._phonemes(written))
        for number, phonemes in enumerate(pieces, start=1):
            samples, spans = self._render(phonemes, manner)
            is_end = number == len(pieces) and ends_sentence(written[-1])
            samples, trimmed_ms = _trim(samples, SENTENCE_PAUSE_MS if is_end else CLAUSE_PAUSE_MS)
            last = len(written) - 1 if number == len(pieces) else max((span.owner for span in spans), default=told - 1)
            words = _words(written, range(told, last + 1), spans, trimmed_ms)
            told = max(told, last + 1)
            yield to_pcm(samples * 32767), words
        if not pieces:
            yield b"", [Word(text, 0.0, 0.0) for text in written]

    def _phonemes(self, written: Sequence[str]) -> list[Phoneme]:
        """The symbols of a sentence without leading, trailing or doubled spaces; [] when nothing in it sounds."""
        sentence = verbalise(written, normalize)
        phonemes: list[Phoneme] = []
        position = 0
        for token in self._pronunciation.phonemize_tokens(self._pronunciation.tokenize(sentence.spoken)):
            owner = sentence.owners[min(position, len(sentence.owners) - 1)]
            phonemes += [Phoneme(symbol, owner) for symbol in token.phonemes or "" if symbol in self._ids]
            if token.whitespace:
                position += 1
                if phonemes and phonemes[-1].symbol != " ":
                    phonemes.append(Phoneme(" ", owner))
        if all(phoneme.symbol in SILENT_PHONEMES for phoneme in phonemes):
            return []
        return phonemes[:-1] if phonemes[-1].symbol == " " else phonemes

    def _render(self, phonemes: Sequence[Phoneme], manner: Manner) -> tuple[NDArray[np.float32], list[Span]]:
        ids = np.asarray([[0, *(self._ids[phoneme.symbol] for phoneme in phonemes), 0]], np.int64)
        *parts, lengths = self._session.run(None, {"ids": ids, "speed": np.asarray([manner.speed], np.float32)})
        harmonic, phase, noise, rest, rest_phase, pitch = (part[0] for part in parts)
        if manner.pitch != 1:
            harmonic, pitch = _smooth(harmonic), pitch * np.float32(manner.pitch)
        samples = dsp.synth(harmonic, phase, noise, rest, rest_phase, pitch, np.random.default_rng(SEED))
        spans = word_spans(phonemes, (lengths.ravel() * FRAME_MS).tolist(), samples * np.float32(GAIN), RATE_HZ)
        return _limit(samples * np.float32(GAIN * manner.volume)), spans


def _field(number: int, body: bytes) -> bytes:
    """One length-delimited protobuf field; `body` is under 128 bytes."""
    return bytes([number << 3 | 2, len(body)]) + body


def _cut(phonemes: list[Phoneme]) -> list[list[Phoneme]]:
    """Pieces of at most MAX_PHONEMES, cut at the last pause, else space, in the second half of each."""
    pieces: list[list[Phoneme]] = []
    while len(phonemes) > MAX_PHONEMES:
        half = range(MAX_PHONEMES, MAX_PHONEMES // 2, -1)
        spaces = [at for at in half if phonemes[at].symbol == " "]
        pauses = [at for at in spaces if phonemes[at - 1].symbol in SILENT_PHONEMES]
        at = next(iter(pauses or spaces), MAX_PHONEMES)
        pieces.append(phonemes[:at])
        phonemes = phonemes[at + 1 :] if spaces else phonemes[at:]
    return [*pieces, phonemes] if phonemes else pieces


def _smooth(log_magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average over SMOOTHED_BINS neighbours in frequency, the first axis.

    The network shapes only the bins where the harmonics of its own pitch lie; between them it may say anything, and
    harmonics of another pitch would ring there (peaks four times as high, measured).
    """
    sums = np.cumsum(
        np.pad(log_magnitudes, ((SMOOTHED_BINS // 2 + 1, SMOOTHED_BINS // 2), (0, 0)), mode="edge"), axis=0
    )
    return (sums[SMOOTHED_BINS:] - sums[:-SMOOTHED_BINS]) / np.float32(SMOOTHED_BINS)


def _limit(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave what is under the knee as it is and bend the rest: the same curve for every piece, so no seams."""
    room = np.float32(CEILING - KNEE)
    over = np.maximum(np.abs(samples) - np.float32(KNEE), 0)
    return np.where(over > 0, np.sign(samples) * (np.float32(KNEE) + room * np.tanh(over / room)), samples)


def _trim(samples: NDArray[np.float32], pause_ms: float) -> tuple[NDArray[np.float32], float]:
    """Leave LEADING_MS before the sound and `pause_ms` after it (added when short); and how much went at the start."""
    heard = np.flatnonzero(np.abs(samples) >= INAUDIBLE)
    if not len(heard):
        return samples, 0.0
    start = max(int(heard[0]) - int(LEADING_MS * RATE_HZ / 1000), 0)
    wanted = int(heard[-1]) + 1 + int(pause_ms * RATE_HZ / 1000)
    missing = max(wanted - len(samples), 0)
    return np.concatenate((samples[start:wanted], np.zeros(missing, np.float32))), start * 1000 / RATE_HZ


def _words(written: Sequence[str], owners: range, spans: Sequence[Span], trimmed_ms: float) -> list[Word]:
    """The written words `owners` with their spans; one without a span has no length where the word before it ended."""
    by_owner = {span.owner: span for span in spans}
    words: list[Word] = []
    place_ms = 0.0
    for owner in owners:
        span = by_owner.get(owner)
        start_ms = max(span.start_ms - trimmed_ms, place_ms) if span else place_ms
        place_ms = max(span.end_ms - trimmed_ms, start_ms) if span else place_ms
        words.append(Word(written[owner], start_ms, place_ms))
    return words
