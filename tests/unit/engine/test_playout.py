"""The ledger of played samples against a model that plays sample by sample."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retold.domain.transcript import Word
from retold.engine.playout import PlannedWord, Playout

RATE = 1000
"""One sample is one millisecond."""


def audio(start: int, samples: int) -> bytes:
    """Samples that say where in the reply they lie."""
    return b"".join((start + index).to_bytes(2, "little") for index in range(samples))


def numbers(pcm: bytes) -> list[int]:
    return [int.from_bytes(pcm[index : index + 2], "little") for index in range(0, len(pcm), 2)]


def playout_of(*words: PlannedWord, samples: int) -> Playout:
    playout = Playout(RATE, texts=[word.text for word in words])
    playout.add(audio(0, samples), words)
    return playout


ONE, TWO = PlannedWord("one", 0, 100), PlannedWord("two", 120, 220)


def test_at_a_cut_words_are_heard_of_which_half_was_played_and_end_with_it() -> None:
    playout = playout_of(ONE, TWO, samples=240)
    playout.take(240, call_start=1000)
    assert playout.heard_until(1049) == ()
    assert playout.heard_until(1050) == (Word("one", 1000, 1050),)
    assert playout.heard_until(1169) == ()
    assert playout.heard_until(1240) == (Word("two", 1120, 1220),)
    assert playout.heard_until(5000) == ()


def test_while_the_reply_goes_on_words_are_heard_when_they_are_over() -> None:
    playout = playout_of(ONE, TWO, samples=240)
    playout.take(240, call_start=1000)
    assert playout.heard_until(1099, is_cut=False) == ()
    assert playout.heard_until(1100, is_cut=False) == (Word("one", 1000, 1100),)
    assert playout.heard_until(1219, is_cut=False) == ()


def test_frames_say_which_words_start_in_them() -> None:
    playout = playout_of(ONE, TWO, samples=240)
    assert [playout.take(60, call_start=at).starts for at in (0, 60, 120, 180)] == [("one",), (), ("two",), ()]


def test_the_last_frame_is_short_and_then_it_is_over() -> None:
    playout = playout_of(ONE, samples=100)
    assert len(playout.take(80, call_start=0).pcm) == 160
    assert (playout.remaining, playout.is_over) == (20, False)
    assert len(playout.take(80, call_start=80).pcm) == 40
    assert not playout.is_over
    playout.is_complete = True
    assert playout.is_over
    assert playout.take(80, call_start=100).pcm == b""


def test_a_held_reply_goes_on_with_the_word_that_was_cut_off() -> None:
    playout = playout_of(ONE, TWO, samples=240)
    playout.take(160, call_start=0)
    assert playout.heard_until(150) == (Word("one", 0, 100),)
    playout.hold_at(150)
    assert playout.unheard() == "two"
    assert numbers(playout.take(1, call_start=900).pcm) == [120]
    playout.take(200, call_start=901)
    assert playout.heard_until(2000) == (Word("two", 900, 1000),)
    assert playout.unheard() == ""


def test_a_word_that_was_mostly_heard_is_not_said_again() -> None:
    playout = playout_of(ONE, TWO, samples=240)
    playout.take(80, call_start=0)
    assert [word.text for word in playout.heard_until(70)] == ["one"]
    playout.hold_at(70)
    assert numbers(playout.take(1, call_start=500).pcm) == [70]


def test_what_was_to_be_played_after_the_cut_was_not_played() -> None:
    playout = playout_of(ONE, TWO, samples=240)
    playout.take(100, call_start=0)
    playout.take(100, call_start=300)
    playout.hold_at(200)
    playout.take(20, call_start=1000)
    assert [word.text for word in playout.heard_until(9000)] == ["one"]


def test_holding_before_anything_was_played_starts_over() -> None:
    playout = playout_of(ONE, samples=100)
    playout.take(40, call_start=100)
    playout.hold_at(90)
    assert numbers(playout.take(1, call_start=200).pcm) == [0]


def test_old_audio_is_forgotten_but_not_the_last_two_seconds() -> None:
    words = [PlannedWord(str(index), index * 100, index * 100 + 100) for index in range(60)]
    playout = playout_of(*words, samples=6000)
    for start in range(0, 5000, 20):
        playout.take(20, call_start=start)
    assert playout.added == 6000
    assert playout.remaining == 1000
    playout.heard_until(3060)
    playout.hold_at(3060)
    assert numbers(playout.take(2, call_start=7000).pcm) == [3060, 3061]


def test_text_without_word_times_yet_counts_as_unheard() -> None:
    playout = Playout(RATE, texts=["one two", "three"])
    playout.add(audio(0, 100), (ONE,))
    playout.take(100, call_start=0)
    playout.heard_until(100)
    assert playout.unheard() == "two three"


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_even_the_shortest_word_needs_a_sample(length: int) -> None:
    word = PlannedWord("a", 10, 10 + length)
    assert word.start < word.half <= max(word.end, word.start + 1)


# --- against a model ------------------------------------------------------------------------------


@dataclass
class PlayedSampleBySample:
    """Knows for each sample of the call which reply sample it was."""

    played: dict[int, int] = field(default_factory=dict[int, int])

    def hold_at(self, call_sample: int) -> None:
        self.played = {at: sample for at, sample in self.played.items() if at < call_sample}

    def has_heard(self, word: PlannedWord, until: int) -> bool:
        heard = {sample for at, sample in self.played.items() if at < until}
        return 2 * len(heard & set(range(word.start, word.end))) >= word.end - word.start


word_lengths = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=8)
steps = st.lists(
    st.tuples(st.sampled_from(["add", "take", "heard", "hold"]), st.integers(0, 50)), min_size=5, max_size=60
)


def planned(lengths: list[tuple[int, int]]) -> list[PlannedWord]:
    words: list[PlannedWord] = []
    at = 0
    for gap, length in lengths:
        words.append(PlannedWord(f"w{len(words)}", at + gap, at + gap + length))
        at += gap + length
    return words


@settings(max_examples=60)
@given(word_lengths, steps)
def test_any_order_of_playing_and_holding_agrees_with_the_model(
    lengths: list[tuple[int, int]], script: list[tuple[str, int]]
) -> None:
    words = planned(lengths)
    playout = Playout(RATE, texts=[" ".join(word.text for word in words)])
    model = PlayedSampleBySample()
    waiting, sent, now = list(words), 0, 0
    heard: list[Word] = []

    def settle() -> None:
        before = len(heard)
        heard.extend(playout.heard_until(now))
        assert all(model.has_heard(word, now) for word in words[before : len(heard)])
        if len(heard) < len(words) - len(waiting):
            assert not model.has_heard(words[len(heard)], now)

    for kind, amount in script:
        match kind:
            case "add" if waiting:
                word = waiting.pop(0)
                playout.add(audio(playout.added, word.end - playout.added), (word,))
            case "take":
                sent = max(sent, now)
                pcm = playout.take(amount, sent).pcm
                model.played |= {sent + index: sample for index, sample in enumerate(numbers(pcm))}
                sent += len(pcm) // 2
            case "hold":
                now = min(now + amount, sent) if sent > now else now
                settle()
                if sent > now:
                    playout.hold_at(now)
                    model.hold_at(now)
                    sent = now
            case _:
                now += amount
                settle()
        assert " ".join([*(word.text for word in heard), playout.unheard()]).split() == playout.texts[0].split()

    assert [word.text for word in heard] == [word.text for word in words[: len(heard)]]
    assert all(early.end_ms <= late.start_ms for early, late in itertools.pairwise(heard))
    assert all(word.start_ms < word.end_ms for word in heard)
