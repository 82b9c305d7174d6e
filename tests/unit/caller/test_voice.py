"""Passages are ready before the call."""

from pathlib import Path

import pytest

from retold.audio.wav import encode_wav
from retold.caller.scenario import At, HangUp, Play, Say
from retold.caller.voice import prepare
from retold.errors import ScenarioInvalid
from retold.settings import Settings

pytestmark = pytest.mark.anyio

SCRIPTED = Settings(tts="scripted")


async def test_texts_are_spoken_with_exact_word_times() -> None:
    passages = await prepare([HangUp(), At("agent_start", 0, Say("one two"))], SCRIPTED, 24_000)
    [passage] = passages.values()
    assert passage.step == 2
    assert [word.text for word in passage.words] == ["one", "two"]
    assert passage.duration_ms == pytest.approx(480, abs=60)


async def test_files_are_resampled_to_the_call(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encode_wav(b"\1\0" * 8_000, 8_000))
    passages = await prepare([Play(tmp_path / "a.wav")], SCRIPTED, 24_000)
    assert passages[1].duration_ms == pytest.approx(1_000)


async def test_unreadable_file_names_its_step(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"hello")
    with pytest.raises(ScenarioInvalid, match=r"step 1: `play`: .*a.wav: not a WAV file"):
        await prepare([Play(tmp_path / "a.wav")], SCRIPTED, 24_000)
