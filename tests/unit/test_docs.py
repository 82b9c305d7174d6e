"""The reference pages name everything there is, links lead somewhere, and snippets are real Python."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from retold.caller.scenario import parse_scenario
from retold.domain.reasons import DisconnectionReason, status_for

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def named(path: Path) -> str:
    """A short test id."""
    return str(path.relative_to(ROOT))


def first_cells(page: str) -> list[str]:
    """The first cell of each table row of a reference page."""
    return re.findall(r"^\| ([^|]+?) \|", (REFERENCE / page).read_text(), flags=re.MULTILINE)


def fenced(page: str, language: str) -> list[str]:
    """The contents of a page's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def python_snippets() -> list[tuple[str, str]]:
    """Each fenced Python block with the page and line it stands at, without the indentation of a list."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        text = page.read_text()
        for block in re.finditer(r"^([ \t]*)```python\n(.*?)^[ \t]*```$", text, flags=re.MULTILINE | re.DOTALL):
            code = re.sub(f"^{block[1]}", "", block[2], flags=re.MULTILINE)
            found.append((f"{named(page)}:{text.count(chr(10), 0, block.start()) + 1}", code))
    return found


def test_the_settings_page_is_made_from_the_settings() -> None:
    made = subprocess.run(
        [sys.executable, "scripts/settings_reference.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page = (REFERENCE / "settings.md").read_text()
    assert page == made.stdout, "run: scripts/settings_reference.py > docs/reference/settings.md"


@pytest.mark.parametrize("reason", list(DisconnectionReason))
def test_every_disconnection_reason_is_described_with_its_status(reason: DisconnectionReason) -> None:
    assert f"| `{reason}` | {status_for(reason)} |" in (REFERENCE / "disconnection-reasons.md").read_text()


def test_every_runtime_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[<>=\[; ]", requirement, maxsplit=1)[0] for requirement in wanted}
    assert names == set(first_cells("dependencies.md")) - {"package", "---"}


def test_every_locked_package_has_a_hash_and_no_lock_names_an_index() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text()
        pins = re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", text, flags=re.MULTILINE | re.DOTALL)
        assert pins, lock
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), lock
        assert "://" not in text, lock


def test_glossary_words_are_unique_and_in_order() -> None:
    words = [word.lower() for word in first_cells("glossary.md")[2:]]
    assert words == sorted(set(words))


@pytest.mark.parametrize("page", DECISIONS, ids=named)
def test_a_decision_says_context_decision_consequences_alternatives(page: Path) -> None:
    assert re.findall(r"^\*\*(\w+)\.\*\*", page.read_text(), flags=re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Alternatives",
    ]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(("place", "code"), [pytest.param(*snippet, id=snippet[0]) for snippet in python_snippets()])
def test_python_snippets_parse(place: str, code: str) -> None:
    ast.parse(code, filename=place)


def test_the_scenario_of_the_command_line_page_is_a_scenario() -> None:
    (scenario,) = fenced("docs/reference/cli.md", "yaml")
    assert len(parse_scenario(scenario, folder=ROOT).steps) == 5


def test_scenario_files_named_in_the_readme_exist() -> None:
    named_files = [name for block in fenced("README.md", "sh") for name in re.findall(r"\S+\.yaml", block)]
    assert named_files
    assert [name for name in named_files if not (ROOT / name).is_file()] == []
