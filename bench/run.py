"""Run the benches and print one table: `make bench [ONLY=leaks] [ARGS=--long]`, or `python bench/run.py leaks`.

Each bench is a module beside this one with `async def measure(scale) -> list[Figure]`. The figures also go to
.cache/bench/results.json. The exit code is 1 when a bench failed to run; a target that is missed is only shown.
"""

import argparse
import importlib
import os
import platform
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import orjson

BENCH = Path(__file__).resolve().parent
sys.path.append(str(BENCH.parent / "tests"))  # the server of the tests is the server of the benches

from figures import Figure, Scale  # noqa: E402 - after the path is set

RESULTS = BENCH.parent / ".cache" / "bench" / "results.json"
BENCHES = {
    "turn_overhead": 240,
    "cpu_memory": 240,
    "barge_in": 120,
    "mind": 120,
    "heard_truth": 240,
    "leaks": 600,
    "recording": 300,
    "startup": 120,
    "hostile": 1800,
    "forbidden": 120,
    "webhooks": 3_600,
    "transcript": 60,
    "pii": 60,
    "speech": 600,
    "million": 10_800,
}
"""Every bench and the seconds it may take."""
LONG_EXTRA_S = 900
DATABASES = ("SQLite", "PostgreSQL")


def main() -> int:
    """Measure, print, keep."""
    options = _options()
    databases = (options.database,) if options.database else DATABASES
    scale = Scale(is_quick=options.quick, is_long=options.long, calls=options.calls, databases=databases)
    facts = machine()
    print("  ".join(f"{name}: {value}" for name, value in facts.items()), flush=True)
    results: dict[str, dict[str, Any]] = {}
    for name in options.bench or BENCHES:
        results[name] = _measured(name, scale)
    facts["load_after"] = os.getloadavg()[0]
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_bytes(
        orjson.dumps({"machine": facts, "benches": results}, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    )
    figures = [figure for result in results.values() for figure in result["figures"]]
    missed = sum(figure["is_met"] is False for figure in figures)
    failed = [name for name, result in results.items() if result["error"]]
    print(f"\nload average {facts['load_before']:.1f} before, {facts['load_after']:.1f} after; {missed} targets missed")
    if failed:
        print(f"failed to run: {', '.join(failed)}")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bench", nargs="*", help="only these: " + ", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true", help="a few seconds each; proves that the benches work")
    parser.add_argument("--long", action="store_true", help="the full ten minutes of recording")
    parser.add_argument("--calls", type=int, default=1_000_000, help="so many ended calls are stored (million)")
    parser.add_argument("--database", choices=DATABASES, help="only this one (million); default: both")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go as JSON")
    options = parser.parse_args()
    if unknown := set(options.bench) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    return options


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "fsync_ms": round(_fsync_ms(), 2),
        "load_before": os.getloadavg()[0],
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _fsync_ms() -> float:
    """Median time to get 4 kB to disk."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    probe = RESULTS.parent / "fsync-probe"
    took: list[float] = []
    with probe.open("wb", buffering=0) as file:
        for _ in range(21):
            file.write(bytes(4096))
            started_s = time.monotonic()
            os.fsync(file.fileno())
            took.append(time.monotonic() - started_s)
    probe.unlink()
    return sorted(took)[10] * 1000


def _measured(name: str, scale: Scale) -> dict[str, Any]:
    started_s = time.monotonic()
    figures: list[Figure] = []
    error = ""
    try:
        figures = anyio.run(_bounded, name, scale, backend_options={"use_uvloop": True})
    except Exception as problem:  # noqa: BLE001 - the other benches still run
        traceback.print_exc()
        error = f"{type(problem).__name__}: {problem}"
    took_s = time.monotonic() - started_s
    print(f"\n{name} ({took_s:.0f} s){' FAILED' if error else ''}", flush=True)
    for figure in figures:
        met = {True: "yes", False: "NO", None: ""}[figure.is_met]
        print(f"  {figure.what:62} {figure.target:>14} {figure.value:10.2f} {figure.unit:8} {met}", flush=True)
    return {
        "seconds": round(took_s, 1),
        "error": error,
        "figures": [{**asdict(figure), "is_met": figure.is_met} for figure in figures],
    }


async def _bounded(name: str, scale: Scale) -> list[Figure]:
    with anyio.fail_after(BENCHES[name] + (LONG_EXTRA_S if scale.is_long else 0)):
        return await importlib.import_module(name).measure(scale)


if __name__ == "__main__":
    sys.exit(main())
