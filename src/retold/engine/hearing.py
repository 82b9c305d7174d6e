"""The caller's audio to turn events: call clock, tape, voice activity, recognition."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from retold.audio import pcm as pcm_tools
from retold.audio.resample import StreamResampler
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.caller_clock import CallerClock, Placed
from retold.engine.leg import Leg, closing
from retold.engine.mailbox import Mailbox
from retold.engine.segmenter import SpeechBegan, SpeechSegmenter, SpeechStopped
from retold.engine.turn_events import SpeechEnded, SpeechStarted, Words
from retold.errors import RecognitionFailed
from retold.ports import SPEECH_RATE_HZ, SpeechAudio, SpeechToText, Transcribed, VoiceActivityDetector

BLOCK_MS = 20.0
BLOCK_BYTES = int(SPEECH_RATE_HZ * BLOCK_MS / 1000) * 2
_HALF_BLOCK = BLOCK_BYTES // 2
PIECE_BLOCKS = 2
"""Blocks per piece handed to recognition while the caller speaks: 40 ms, so that it soon sees the silence of an end."""
PREROLL_MS = 300.0
"""Sound before the onset that recognition gets too: soft consonants lie there."""
JOIN_MS = 1000.0
"""Speech that goes on within this time of a pause belongs to the same utterance."""
STALL_MS = 400.0
"""Audio missing for this long in mid-speech counts as silence."""
MAX_QUEUED_PIECES = 1500
"""One minute of speech; recognition that is further behind has failed."""


class Hearing:
    """One caller's ear; `transcribe()` runs as a task of the session."""

    def __init__(
        self,
        leg: Leg,
        *,
        vad: VoiceActivityDetector,
        stt: SpeechToText,
        on_partial: Callable[[int, tuple[Word, ...]], None],
    ) -> None:
        self._vad = vad
        self._stt = stt
        self._tape = leg.tape
        self._timeline = leg.timeline
        self._clock = leg.clock
        self._post = leg.post
        self._sample_rate = leg.transport.sample_rate
        self._on_partial = on_partial
        self.last_audio_ms = 0.0
        self.utterance = -1
        self.onset_ms = 0.0
        self._caller_clock = CallerClock(self._sample_rate)
        self._resampler = StreamResampler(self._sample_rate, SPEECH_RATE_HZ)
        self._segmenter = SpeechSegmenter()
        self._buffer = b""
        self._buffer_start_ms = 0.0
        self._next_sample: int | None = None
        self._recent: deque[tuple[float, bytes]] = deque(maxlen=round((JOIN_MS + PREROLL_MS) / BLOCK_MS) + 20)
        self._piece: list[tuple[float, bytes]] = []
        self._sent_until_ms = 0.0
        self._pause_ms: float | None = None
        self._is_committed = True
        self._finals_due = 0
        self._partial: Transcribed | None = None
        self._last_worded = -1
        self._pieces: Mailbox[SpeechAudio] = Mailbox(MAX_QUEUED_PIECES)
        self._streams: deque[tuple[str | None, Mailbox[SpeechAudio]]] = deque([(None, self._pieces)])
        """What is still to be recognised, each in its language; None for the one that the call began in."""
        self._next_language: str | None = None
        self._is_transcribing = True

    def take(self, pcm: bytes) -> None:
        """Take one chunk of the caller's audio, as it arrives."""
        now_ms = self._clock.now_ms()
        self.last_audio_ms = now_ms
        for placed in self._caller_clock.place(pcm, now_ms, is_speech=self._segmenter.is_speech):
            self._tape.write_caller(placed.start_sample, placed.pcm)
            self._feed(placed)

    def _feed(self, placed: Placed) -> None:
        if placed.start_sample != self._next_sample:
            self._skip_to(placed.start_sample)
        self._next_sample = placed.start_sample + len(placed.pcm) // 2
        fed = self._resampler.feed(placed.pcm)
        if self._buffer and fed and len(fed) % BLOCK_BYTES == 0 and not self._segmenter.is_speech:
            # A chunk that was cut leaves half a block behind: every block would wait for the next chunk from then on.
            self._buffer_start_ms += len(self._buffer) / 2 * 1000 / SPEECH_RATE_HZ
            self._buffer = b""
        audio = self._buffer + fed
        end = len(audio) - len(audio) % BLOCK_BYTES
        self._buffer = audio[end:]
        for start in range(0, end, BLOCK_BYTES):
            self._take_block(self._buffer_start_ms, audio[start : start + BLOCK_BYTES])
            self._buffer_start_ms += BLOCK_MS

    def _skip_to(self, start_sample: int) -> None:
        """A gap: what comes does not continue what was."""
        if self._next_sample is not None:
            missing_ms = (start_sample - self._next_sample) * 1000 / self._sample_rate
            self._timeline.append(t.Noted(at_ms=self._clock.now_ms(), text=f"no caller audio for {missing_ms:.0f} ms"))
            self._on_edge(self._segmenter.stop(self._buffer_start_ms))
        self._resampler.flush()
        self._buffer = b""
        self._recent.clear()
        self._is_committed = True
        self._buffer_start_ms = start_sample * 1000 / self._sample_rate

    def _take_block(self, at_ms: float, block: bytes) -> None:
        self._recent.append((at_ms, block))
        rms_of_halves = pcm_tools.rms(block[:_HALF_BLOCK]), pcm_tools.rms(block[_HALF_BLOCK:])
        edge = self._segmenter.feed(at_ms, rms_of_halves, self._vad.feed(block))
        if self._segmenter.is_speech and edge is None:
            self._piece.append((at_ms, block))
            if len(self._piece) >= PIECE_BLOCKS:
                self._send_piece(is_pause=False)
        self._on_edge(edge)

    def _on_edge(self, edge: SpeechBegan | SpeechStopped | None) -> None:
        match edge:
            case SpeechBegan(onset_ms=onset_ms):
                self._begin(onset_ms)
            case SpeechStopped(end_ms=end_ms):
                self._stop(end_ms)
            case None:
                pass

    def _begin(self, onset_ms: float) -> None:
        now_ms = self._clock.now_ms()
        goes_on = not self._is_committed and self._pause_ms is not None and onset_ms - self._pause_ms <= JOIN_MS
        if not goes_on:
            self._take_up_language()
            self.utterance += 1
            self.onset_ms = onset_ms
            self._is_committed = False
            self._sent_until_ms = onset_ms - PREROLL_MS
        self._piece = [(at_ms, block) for at_ms, block in self._recent if at_ms >= self._sent_until_ms]
        self._timeline.append(t.UserSpeechStarted(at_ms=now_ms, onset_ms=onset_ms))
        self._post(SpeechStarted(now_ms, onset_ms))

    def _stop(self, end_ms: float) -> None:
        now_ms = self._clock.now_ms()
        self._pause_ms = end_ms
        self._finals_due += 1
        self._send_piece(is_pause=True)
        self._timeline.append(t.UserSpeechEnded(at_ms=now_ms, speech_end_ms=end_ms))
        self._post(SpeechEnded(now_ms, end_ms))

    def _send_piece(self, *, is_pause: bool) -> None:
        start_ms = self._piece[0][0] if self._piece else self._sent_until_ms
        pcm = b"".join(block for _, block in self._piece)
        self._sent_until_ms = start_ms + len(pcm) / 2 * 1000 / SPEECH_RATE_HZ
        self._piece = []
        # Once the call is over the mailbox is closed: what is still said is taped, but nobody waits for its words.
        if not self._is_transcribing and not self._pieces.is_closed:
            raise RecognitionFailed("speech recognition has ended in mid-call")
        if not self._pieces.put(SpeechAudio(self.utterance, start_ms, pcm, is_pause)):
            raise RecognitionFailed("speech recognition is a minute behind the caller; lower the load")

    def check_stall(self) -> None:
        """End the caller's speech when its audio stops coming in the middle of it."""
        if self._segmenter.is_speech and self._clock.now_ms() - self.last_audio_ms > STALL_MS:
            self._on_edge(self._segmenter.stop(self._buffer_start_ms))

    def commit(self) -> None:
        """The agent answers what was said so far: further speech, also speech that has just begun, is another one."""
        self._is_committed = not self._segmenter.is_speech
        self.utterance += self._segmenter.is_speech

    def mark_unintelligible(self) -> None:
        """Show the last utterance as `(unintelligible audio)`, unless words came after all."""
        if self._last_worded == self.utterance:
            return
        self._timeline.append(
            t.UserTranscribed(
                at_ms=self._clock.now_ms(),
                utterance=self.utterance,
                words=(),
                onset_ms=self.onset_ms,
                is_unintelligible=True,
            )
        )

    def change_language(self, language: str) -> None:
        """Recognise another language from the caller's next utterance on."""
        self._next_language = language

    def _take_up_language(self) -> None:
        if self._next_language is not None:
            self._pieces.close()
            self._pieces = Mailbox(MAX_QUEUED_PIECES)
            self._streams.append((self._next_language, self._pieces))
            self._next_language = None

    async def transcribe(self, language: str) -> None:
        """Run recognition until `finish()`; each result becomes an event."""
        try:
            while self._streams:
                spoken, pieces = self._streams.popleft()
                async with closing(self._stt.stream(aiter(pieces), spoken or language)) as results:
                    async for result in results:
                        self._on_result(result)
        finally:
            self._is_transcribing = False

    def _on_result(self, result: Transcribed) -> None:
        now_ms = self._clock.now_ms()
        text = " ".join(word.text for word in result.words)
        self._partial = None if result.is_final else result
        if result.words:
            self._last_worded = result.utterance
        if result.is_final:
            self._finals_due -= 1
            # Silence is never handed to recognition, but it is audio that came while the words were awaited.
            lag_ms = result.lag_ms + max(0.0, self._buffer_start_ms - self._sent_until_ms)
            self._timeline.append(
                t.UserTranscribed(at_ms=now_ms, utterance=result.utterance, words=result.words, lag_ms=lag_ms)
            )
        else:
            self._on_partial(result.utterance, result.words)
        self._post(Words(now_ms, result.utterance, text, result.is_final and self._finals_due <= 0))

    def finish(self) -> None:
        """The call is over: ask for the final words of speech in progress, then let `transcribe()` end."""
        with suppress(RecognitionFailed):  # then that has ended the call already
            self._on_edge(self._segmenter.stop(self._buffer_start_ms))
        self._pieces.close()

    def keep_partial_words(self) -> None:
        """The final words of the last utterance did not come in time: what was understood so far is kept."""
        if self._partial is not None and self._partial.words:
            self._timeline.append(
                t.UserTranscribed(
                    at_ms=self._clock.now_ms(), utterance=self._partial.utterance, words=self._partial.words
                )
            )
