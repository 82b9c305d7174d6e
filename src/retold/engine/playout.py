"""The ledger of one reply's samples: what was handed over, when it was played, which words were heard. Pure.

Positions: *reply samples* count from the start of the reply's audio; *call samples* count from the start of the
call, both at the caller's rate. A word is heard when at least half of its samples were played
before a cut. The ledger is the truth for the agent's side of the transcript.
"""

from dataclasses import dataclass, field

from retold.domain.transcript import Word


@dataclass(frozen=True, slots=True)
class PlannedWord:
    """A word and its place in the reply's audio."""

    text: str
    start: int
    end: int

    @property
    def half(self) -> int:
        """The reply sample from which on the word counts as heard."""
        return self.start + max(1, (self.end - self.start + 1) // 2)


@dataclass(frozen=True, slots=True)
class PlayedFrame:
    """Samples to play and the texts of the words that start in them."""

    pcm: bytes
    starts: tuple[str, ...]


@dataclass(slots=True)
class _Span:
    reply_start: int
    call_start: int
    length: int


@dataclass(slots=True)
class Playout:
    """One reply's audio on its way to the caller; s16le mono at `sample_rate`."""

    sample_rate: int
    is_complete: bool = False
    """No more audio will be added."""
    texts: list[str] = field(default_factory=list[str])
    """All text that was meant to be spoken, for the public log."""
    _audio: bytearray = field(default_factory=bytearray)
    _dropped: int = 0
    _position: int = 0
    _words: list[PlannedWord] = field(default_factory=list[PlannedWord])
    _settled: int = 0
    _spans: list[_Span] = field(default_factory=list[_Span])

    @property
    def added(self) -> int:
        """Samples added so far."""
        return self._dropped + len(self._audio) // 2

    @property
    def taken(self) -> int:
        """Samples handed over for playing so far."""
        return self._position

    @property
    def remaining(self) -> int:
        """Samples added and not taken yet."""
        return self.added - self._position

    @property
    def is_over(self) -> bool:
        """Everything was taken and nothing more will come."""
        return self.is_complete and self.remaining == 0

    def add(self, pcm: bytes, words: tuple[PlannedWord, ...]) -> None:
        """Append audio and the words in it; word positions are reply samples."""
        self._audio += pcm
        self._words.extend(words)

    def take(self, samples: int, call_start: int) -> PlayedFrame:
        """The next samples, to be played at `call_start`; fewer than asked at the end."""
        start = self._position
        pcm = bytes(self._audio[2 * (start - self._dropped) : 2 * (start - self._dropped + samples)])
        length = len(pcm) // 2
        self._position += length
        last = self._spans[-1] if self._spans else None
        if last and last.reply_start + last.length == start and last.call_start + last.length == call_start:
            last.length += length
        elif length:
            self._spans.append(_Span(start, call_start, length))
        self._forget_played()
        starts = tuple(word.text for word in self._words[self._settled :] if start <= word.start < start + length)
        return PlayedFrame(pcm, starts)

    def _forget_played(self) -> None:
        """Keep two seconds behind the position: a resumed reply may go back to the start of a word."""
        surplus = self._position - 2 * self.sample_rate - self._dropped
        if surplus > self.sample_rate:
            del self._audio[: 2 * surplus]
            self._dropped += surplus

    def heard_until(self, call_sample: int, *, is_cut: bool = True) -> tuple[Word, ...]:
        """Words that became heard by `call_sample` and were not given before, with their call times.

        At a cut a word counts from its half on, and ends with the cut; while the reply goes on it counts when it
        is over.
        """
        heard: list[Word] = []
        reached, cut_ms = self._reply_sample(call_sample), call_sample * 1000 / self.sample_rate
        while self._settled < len(self._words):
            word = self._words[self._settled]
            if reached < (word.half if is_cut else word.end):
                break
            start_ms = self._call_ms(word.start)
            heard.append(Word(word.text, start_ms, max(start_ms, min(self._call_ms(word.end), cut_ms))))
            self._settled += 1
        return tuple(heard)

    def hold_at(self, call_sample: int) -> None:
        """The caller's buffer was cleared at `call_sample`: the next `take` begins with the word cut off there."""
        reached = self._reply_sample(call_sample)
        while self._spans and self._spans[-1].call_start >= call_sample:
            self._spans.pop()
        if self._spans and self._spans[-1].call_start + self._spans[-1].length > call_sample:
            self._spans[-1].length = call_sample - self._spans[-1].call_start
        word = self._words[self._settled] if self._settled < len(self._words) else None
        self._position = max(self._dropped, min(reached, word.start) if word else reached)

    def unheard(self) -> str:
        """The text that was intended but not heard so far."""
        planned = [word.text for word in self._words]
        intended = " ".join(self.texts).split()
        return " ".join([*planned[self._settled :], *intended[len(planned) :]])

    def _reply_sample(self, call_sample: int) -> int:
        reached = 0
        for span in self._spans:
            if span.call_start < call_sample:
                reached = max(reached, span.reply_start + min(span.length, call_sample - span.call_start))
        return reached

    def _call_ms(self, reply_sample: int) -> float:
        """When a reply sample was last played; samples not taken yet follow the last span, and before all is 0."""
        nowhere = _Span(reply_sample, 0, 0)
        span = next((span for span in reversed(self._spans) if span.reply_start <= reply_sample), nowhere)
        return (span.call_start + reply_sample - span.reply_start) * 1000 / self.sample_rate
