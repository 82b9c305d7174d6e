"""The page that says which methods of the official client work."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_compatibility_page_is_made_from_the_client_and_these_tests() -> None:
    made = subprocess.run(
        [sys.executable, "scripts/compatibility.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page = (ROOT / "docs" / "reference" / "compatibility.md").read_text()
    assert page == made.stdout, "run: scripts/compatibility.py > docs/reference/compatibility.md"
