"""Streaming recognition with a decoder that knows its words exactly; no model, no waiting for time."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.memory import MemoryObjectSendStream

from retold.errors import RecognitionFailed
from retold.ports import SpeechAudio, Transcribed
from retold.providers.local_stt import LocalSpeechToText
from retold.settings import LocalSpeechSettings
from support.patience import PATIENCE_S
from support.plain_words import WORD_MS, PlainWordsDecoder, say

pytestmark = pytest.mark.anyio
PIECE_BYTES = 640


def recogniser(decoder: PlainWordsDecoder, *, threads: int = 1) -> LocalSpeechToText:
    return LocalSpeechToText(LocalSpeechSettings(stt_threads=threads), lambda _: decoder)


def pieces(pcm: bytes, *, utterance: int = 1, start_ms: float = 0, pause: bool = False) -> list[SpeechAudio]:
    starts = range(0, len(pcm), PIECE_BYTES)
    return [
        SpeechAudio(
            utterance, start_ms + at / 32, pcm[at : at + PIECE_BYTES], is_pause=pause and at + PIECE_BYTES >= len(pcm)
        )
        for at in starts
    ]


async def given(items: Iterable[SpeechAudio]) -> AsyncIterator[SpeechAudio]:
    for item in items:
        yield item


async def heard(stt: LocalSpeechToText, items: Iterable[SpeechAudio]) -> list[Transcribed]:
    with anyio.fail_after(PATIENCE_S):
        async with aclosing(stt.stream(given(items), "en-US")) as out:
            return [transcribed async for transcribed in out]


def texts(transcribed: Transcribed) -> list[str]:
    return [word.text for word in transcribed.words]


def names(words: Sequence[int]) -> list[str]:
    return [f"w{word}" for word in words]


class Live:
    """A stream that is fed step by step, each step awaited until the recogniser has nothing left to do."""

    def __init__(self, stt: LocalSpeechToText) -> None:
        self._stt = stt
        self._send: MemoryObjectSendStream[SpeechAudio]
        self._send, self._receive = anyio.create_memory_object_stream[SpeechAudio](100)
        self.out: list[Transcribed] = []

    @classmethod
    async def with_warm(cls, decoder: PlainWordsDecoder) -> "Live":
        stt = recogniser(decoder)
        await stt.warm_up()
        decoder.passes.clear()
        return cls(stt)

    async def run(self) -> None:
        async with self._receive, self._send, aclosing(self._stt.stream(self._receive, "en")) as out:
            async for transcribed in out:
                self.out.append(transcribed)

    async def feed(self, items: Iterable[SpeechAudio]) -> None:
        for item in items:
            self._send.send_nowait(item)
            await self.settled()

    async def settled(self) -> None:
        # A pass runs in a thread, which the loop does not see: one of ours, through the same slots, comes after it.
        for _ in range(2):
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            async with self._stt._slots.slot(lambda: False):  # pyright: ignore[reportPrivateUsage] - see above
                pass

    def close(self) -> None:
        self._send.close()


async def test_a_pause_is_answered_by_all_words_with_their_call_times() -> None:
    out = await heard(
        recogniser(PlainWordsDecoder()), pieces(say([3, 1, 4], then_silent_ms=200), start_ms=5000, pause=True)
    )
    final = out[-1]
    assert final.is_final
    assert texts(final) == ["w3", "w1", "w4"]
    assert [word.start_ms for word in final.words] == [5000, 5000 + WORD_MS, 5000 + 2 * WORD_MS]
    assert final.words[-1].end_ms == 5000 + 3 * WORD_MS
    assert final.lag_ms == 0


async def test_every_pause_has_one_final_also_without_words() -> None:
    silence = bytes(32 * 300)
    out = await heard(
        recogniser(PlainWordsDecoder()),
        [*pieces(silence, utterance=1, pause=True), *pieces(silence, utterance=2, pause=True)],
    )
    assert [(item.utterance, item.words, item.is_final) for item in out] == [(1, (), True), (2, (), True)]


async def test_when_the_caller_goes_on_the_next_final_has_all_words_again() -> None:
    first = pieces(say([1, 2], then_silent_ms=300), pause=True)
    second = pieces(say([3], then_silent_ms=300), start_ms=700, pause=True)
    live = await Live.with_warm(PlainWordsDecoder())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        await live.feed([*first, *second])
        live.close()
    assert [texts(item) for item in live.out if item.is_final] == [names([1, 2]), names([1, 2, 3])]


async def test_words_come_while_the_caller_speaks_once_two_passes_agree() -> None:
    decoder = PlainWordsDecoder()
    live = await Live.with_warm(decoder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        await live.feed(pieces(say(range(10))))
        live.close()
    partials = [texts(item) for item in live.out]
    assert not any(item.is_final for item in live.out)
    assert len(partials) >= 3
    for words in partials:
        assert words == names(range(10))[: len(words)]
    assert [length for length, _ in decoder.passes[:3]] == [400, 800, 1200]


async def test_the_pass_made_in_first_silence_is_the_final_one() -> None:
    decoder = PlainWordsDecoder()
    live = await Live.with_warm(decoder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        await live.feed(pieces(say([5], then_silent_ms=100)))
        decoder.go.clear()
        await live.feed(pieces(bytes(32 * 100), start_ms=300, pause=True))
        live.close()
    assert decoder.passes == [(WORD_MS + 80, True)]
    assert [texts(item) for item in live.out if item.is_final] == [["w5"]]


async def test_a_word_after_the_first_silence_makes_another_pass() -> None:
    decoder = PlainWordsDecoder()
    live = await Live.with_warm(decoder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        await live.feed(pieces(say([5], then_silent_ms=100)))
        await live.feed(pieces(say([6], then_silent_ms=200), start_ms=300, pause=True))
        live.close()
    assert [texts(item) for item in live.out if item.is_final] == [names([5, 6])]


async def test_a_long_utterance_keeps_all_words_while_its_passes_stay_short() -> None:
    decoder = PlainWordsDecoder()
    words = [index % 90 for index in range(150)]
    live = await Live.with_warm(decoder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        await live.feed(pieces(say(words, then_silent_ms=200), pause=True))
        live.close()
    final = live.out[-1]
    assert texts(final) == names(words)
    assert [round(word.start_ms) for word in final.words] == [index * WORD_MS for index in range(150)]
    assert max(length for length, _ in decoder.passes) < 10_000


async def test_pauses_let_go_of_what_is_final() -> None:
    decoder = PlainWordsDecoder()
    live = await Live.with_warm(decoder)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        for sentence in range(4):
            spoken = pieces(say(range(30), then_silent_ms=300), start_ms=sentence * 6300, pause=True)
            await live.feed(spoken)
        live.close()
    finals = [texts(item) for item in live.out if item.is_final]
    assert finals == [names([*range(30)] * count) for count in (1, 2, 3, 4)]
    assert max(length for length, _ in decoder.passes) < 7_000


async def test_a_new_number_is_a_new_utterance() -> None:
    one = pieces(say([1], then_silent_ms=200), utterance=1, pause=True)
    two = pieces(say([2], then_silent_ms=200), utterance=4, start_ms=2000, pause=True)
    out = await heard(recogniser(PlainWordsDecoder()), [*one, *two])
    finals = [(item.utterance, texts(item), item.words[0].start_ms) for item in out if item.is_final]
    assert finals == [(1, ["w1"], 0), (4, ["w2"], 2000)]


async def test_a_failed_pass_is_made_again_once() -> None:
    decoder = PlainWordsDecoder()
    stt = recogniser(decoder)
    await stt.warm_up()
    decoder.failures = [RuntimeError("no memory")]
    out = await heard(stt, pieces(say([1], then_silent_ms=200), pause=True))
    assert texts(out[-1]) == ["w1"]


async def test_a_pass_that_fails_twice_ends_the_stream_with_the_cause() -> None:
    decoder = PlainWordsDecoder()
    stt = recogniser(decoder)
    await stt.warm_up()
    decoder.failures = [RuntimeError("no memory"), RuntimeError("no memory")]
    with pytest.raises(RecognitionFailed, match="failed twice: no memory"):
        await heard(stt, pieces(say([1], then_silent_ms=200), pause=True))


async def test_an_error_of_the_audio_reaches_the_reader() -> None:
    async def broken() -> AsyncIterator[SpeechAudio]:
        yield pieces(say([1]))[0]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await anext(recogniser(PlainWordsDecoder()).stream(broken(), "en"))


async def test_a_language_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(RecognitionFailed, match=r"'de-DE'.*RETOLD_LOCAL__WHISPER_DIR"):
        await anext(recogniser(PlainWordsDecoder()).stream(given([]), "de-DE"))


async def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    stt = LocalSpeechToText(LocalSpeechSettings(whisper_dir=tmp_path))
    assert stt.languages == {"en"}
    with pytest.raises(RecognitionFailed, match=r"has no model\.bin.*RETOLD_LOCAL__WHISPER_DIR"):
        await stt.warm_up()


async def test_leaving_a_stream_early_leaves_nothing_behind() -> None:
    stt = recogniser(PlainWordsDecoder())
    items = [
        item for number in range(1, 6) for item in pieces(say([1], then_silent_ms=200), utterance=number, pause=True)
    ]
    async with aclosing(stt.stream(given(items), "en")) as out:
        async for _ in out:
            break
    assert len(await heard(stt, items)) >= 5


async def test_all_streams_together_make_no_more_passes_at_a_time_than_allowed() -> None:
    decoder = PlainWordsDecoder()
    stt = recogniser(decoder, threads=2)
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(heard, stt, pieces(say([1, 2], then_silent_ms=200), pause=True))
    assert decoder.most_at_a_time <= 2


async def test_a_caller_far_too_far_ahead_ends_the_stream() -> None:
    items = [item for number in range(10) for item in pieces(bytes(640), utterance=number, pause=True)]
    decoder = PlainWordsDecoder()
    with pytest.raises(RecognitionFailed, match="pauses behind"):
        await heard(recogniser(decoder), items)
