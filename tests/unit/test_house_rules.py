"""The rules of this code base that no linter knows: sizes, forbidden words and calls, and the drawn error tree."""

import ast
import functools
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from retold import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

UNSTRUCTURED = {
    "create_task",
    "ensure_future",
    "gather",
    "call_later",
    "call_at",
    "add_done_callback",
    "run_coroutine_threadsafe",
}
"""Calls that start work nobody is bound to await."""

CLOCK_READERS = {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns", "sleep"}

# The expressions are written so that they do not match themselves.
LEFTOVERS = re.compile(r"\b(?:TO[D]O|FI[X]ME|XX[X]|HA[C]K)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo[r]k|ro[o]t|tm[p]/w|ho[m]e|opt/py[p]i)/")
REGISTRIES = re.compile(r"py[p]i\.org|pythonho[s]ted\.org|npm[j]s\.(?:org|com)|proxy\.gola[n]g")


def tracked_files(*patterns: str) -> list[Path]:
    """The files of the repository that match; none is a symbolic link."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git clone: the list of tracked files is unknown")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@functools.cache
def parsed(*patterns: str) -> Sequence[tuple[Path, ast.Module]]:
    """Each matching Python file and its syntax tree."""
    return [
        (path.relative_to(ROOT), ast.parse(path.read_text(), filename=str(path))) for path in tracked_files(*patterns)
    ]


def lines_matching(expression: re.Pattern[str]) -> list[str]:
    """Every tracked line that matches, as `file:line`; binary files are passed over."""
    found: list[str] = []
    for path in tracked_files():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(lines, start=1) if expression.search(line)]
    return found


def test_no_python_file_is_longer_than_400_lines() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in tracked_files("*.py")}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in parsed("*.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
        and "migrations" not in path.parts  # a schema is one long list
    ]
    assert long == []


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(LEFTOVERS, id="work left over"),
        pytest.param(MACHINE_PATHS, id="paths of one machine"),
        pytest.param(REGISTRIES, id="hosts of package registries"),
    ],
)
def test_no_tracked_file_holds(expression: re.Pattern[str]) -> None:
    assert lines_matching(expression) == []


def test_the_product_starts_no_task_outside_a_task_group() -> None:
    calls = [
        f"{path}:{node.lineno} {node.func.attr}"
        for path, tree in parsed("src/*.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in UNSTRUCTURED
    ]
    assert calls == []


def test_only_the_clock_module_reads_the_clock() -> None:
    readers = [
        f"{path}:{node.lineno} {ast.unparse(node)}"
        for path, tree in parsed("src/*.py")
        if path != Path("src/retold/clock.py")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (
            (node.value.id == "time" and node.attr in CLOCK_READERS)
            or (node.value.id == "datetime" and node.attr in {"now", "utcnow", "today"})
        )
    ]
    assert readers == []


def drawn_error_tree() -> dict[str, str]:
    """Child to parent, as the docstring of errors.py draws it."""
    ancestors: list[str] = []
    tree: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.match(r"^((?:[|` ][- ]{3})*)([A-Z]\w+)(?:\s|$)", line)
        if drawn is None or not (ancestors or drawn[2] == errors.RetoldError.__name__):
            continue
        depth = len(drawn[1]) // 4
        del ancestors[depth:]
        if depth:
            tree[drawn[2]] = ancestors[-1]
        ancestors.append(drawn[2])
    return tree


def test_the_error_tree_is_drawn_as_it_is() -> None:
    real = {
        error.__name__: error.__base__.__name__
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.RetoldError)
        and error is not errors.RetoldError
        and error.__base__ is not None
    }
    assert drawn_error_tree() == real
