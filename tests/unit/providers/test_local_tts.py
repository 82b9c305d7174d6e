"""The stream, its threads and its errors with a scripted engine; the real one is in tests/integration."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any, cast

import anyio
import pytest

from retold.domain.transcript import Word
from retold.errors import SynthesisFailed
from retold.ports import Spoken, VoiceSettings
from retold.providers.local_tts import Engine, LocalTextToSpeech, Manner, SpokenPiece
from retold.settings import LocalSpeechSettings
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


class WordEngine:
    """One piece per word; each waits until the gate is open."""

    rate_hz = 8000

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.manners: list[Manner] = []
        self.running = 0
        self.most_running = 0
        self._lock = threading.Lock()

    def speak(self, text: str, manner: Manner) -> Iterator[SpokenPiece]:
        self.manners.append(manner)
        for word in text.split():
            with self._lock:
                self.asked.append(word)
                self.running += 1
                self.most_running = max(self.most_running, self.running)
            self.gate.wait(5)
            with self._lock:
                self.running -= 1
            if word == "boom":
                raise ValueError("no such phoneme")
            yield SpokenPiece(b"\0\0", (Word(word, 0, 1),))


def tts_with(engine: WordEngine, threads: int = 1) -> LocalTextToSpeech:
    return LocalTextToSpeech(LocalSpeechSettings(tts_threads=threads), load=lambda: engine)


async def said(tts: LocalTextToSpeech, text: str, voice: VoiceSettings | None = None) -> list[str]:
    return [spoken.words[0].text async for spoken in tts.stream(text, voice or VoiceSettings())]


async def until(condition: Callable[[], bool]) -> None:
    """Real threads are watched here, so time is real too; bounded."""
    with anyio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a thread is watched, which sets no event of the loop
            await anyio.sleep(0.001)


async def test_pieces_come_in_order_at_the_rate_of_the_engine() -> None:
    spoken = [piece async for piece in tts_with(WordEngine()).stream("a b c", VoiceSettings())]
    assert [piece.words[0].text for piece in spoken] == ["a", "b", "c"]
    assert {piece.sample_rate for piece in spoken} == {8000}


async def test_the_model_is_loaded_once_by_whoever_comes_first() -> None:
    loads: list[WordEngine] = []

    def load() -> Engine:
        loads.append(WordEngine())
        return loads[-1]

    tts = LocalTextToSpeech(LocalSpeechSettings(), load)
    async with anyio.create_task_group() as group:
        group.start_soon(tts.warm_up)
        for _ in range(5):
            group.start_soon(said, tts, "a b")
    assert len(loads) == 1


async def test_nothing_to_say_does_not_even_load() -> None:
    def load() -> Engine:
        raise AssertionError("not to be loaded")

    assert await said(LocalTextToSpeech(LocalSpeechSettings(), load), " \n") == []


async def test_voice_names_become_pitches_and_unknown_ones_the_default() -> None:
    engine = WordEngine()
    tts = tts_with(engine)
    for voice in ("default", "caller", "11labs-Adrian"):
        await said(tts, "a", VoiceSettings(voice, speed=1.5, volume=0.5))
    assert engine.manners == [Manner(1.0, 1.5, 0.5), Manner(0.65, 1.5, 0.5), Manner(1.0, 1.5, 0.5)]
    assert {"default", "agent", "caller", "low", "high"} == tts.voice_ids


@pytest.mark.parametrize("threads", [1, 2])
async def test_no_more_run_at_a_time_than_there_are_threads(threads: int) -> None:
    engine = WordEngine()
    tts = tts_with(engine, threads)
    engine.gate.clear()
    async with anyio.create_task_group() as group:
        for text in ("a b", "c d", "e f", "g h"):
            group.start_soon(said, tts, text)
        await until(lambda: engine.running == threads)
        engine.gate.set()
    assert engine.most_running == threads
    assert sorted(engine.asked) == list("abcdefgh")


async def test_streams_take_turns_in_order_of_arrival() -> None:
    engine = WordEngine()
    tts = tts_with(engine)
    await tts.warm_up()
    engine.asked.clear()
    engine.gate.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(said, tts, "a1 a2")
        await until(lambda: engine.running == 1)
        group.start_soon(said, tts, "b1 b2")
        await anyio.wait_all_tasks_blocked()
        engine.gate.set()
    assert engine.asked.index("b1") < engine.asked.index("a2")


async def test_a_cancelled_stream_leaves_at_once_and_its_waiting_work_is_skipped() -> None:
    engine = WordEngine()
    tts = tts_with(engine)
    await tts.warm_up()
    engine.gate.clear()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(said, tts, "running never")
            await until(lambda: engine.running == 1)
            group.start_soon(said, tts, "stale")
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    engine.gate.set()
    assert await said(tts, "next") == ["next"]
    assert engine.asked == ["Ready.", "running", "next"]


async def test_leaving_the_loop_makes_nothing_more() -> None:
    engine = WordEngine()
    stream = cast("Any", tts_with(engine).stream("a b c", VoiceSettings()))
    async with aclosing(stream):
        async for _ in cast("AsyncIterator[Spoken]", stream):
            break
    assert engine.asked == ["a"]


async def test_a_failure_of_the_model_says_what_it_was() -> None:
    with pytest.raises(SynthesisFailed, match="ValueError: no such phoneme"):
        await said(tts_with(WordEngine()), "a boom b")


async def test_a_model_that_takes_too_long_ends_in_an_error() -> None:
    engine = WordEngine()
    engine.gate.clear()
    with pytest.raises(SynthesisFailed, match=r"took over 0\.02 s"):
        await said(LocalTextToSpeech(LocalSpeechSettings(), lambda: engine, piece_timeout_s=0.02), "a")
    engine.gate.set()


async def test_a_missing_model_says_what_to_install() -> None:
    def load() -> Engine:
        raise SynthesisFailed("no speech synthesis model; run: this")

    tts = LocalTextToSpeech(LocalSpeechSettings(), load)
    for _ in range(2):
        with pytest.raises(SynthesisFailed, match="run: this"):
            await said(tts, "a")
