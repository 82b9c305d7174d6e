"""Recorded human speech for tests: 46 telephone prompts from a Debian package, and the texts spoken in them.

The set-up of the tests installs the package when it may. Tests never install or fetch anything: without the
recordings they are skipped, saying how to get them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = "asterisk-core-sounds-en-wav"
FOLDER: Final = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
_TEXTS: Final = Path(__file__).parent.parent / "data" / "telephone-prompts.tsv"
INSTALL: Final = f"apt-get install -y --no-install-recommends {PACKAGE}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One recording, 8 kHz mono, and what is said in it."""

    name: str
    wav: Path
    text: str


def telephone_prompts() -> list[Prompt]:
    """All 46 prompts; skips the test that asks when the recordings are not installed."""
    prompts = installed_prompts()
    missing = len(_names_and_texts()) - len(prompts)
    if missing:
        pytest.skip(f"{missing} recorded prompts are not installed; as root: {INSTALL}")
    return prompts


def installed_prompts() -> list[Prompt]:
    """Those of the 46 prompts that are on this machine."""
    prompts = [Prompt(name, FOLDER / f"{name}.wav", text) for name, text in _names_and_texts()]
    return [prompt for prompt in prompts if prompt.wav.is_file()]


def _names_and_texts() -> list[tuple[str, str]]:
    lines = _TEXTS.read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [(name, text) for name, text in rows]
