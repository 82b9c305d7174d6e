"""A hundred pieces of code that mean harm: each is stopped within its limits, and the server goes on."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from retold.domain.code_outcome import CodeOutcome
from retold.providers.sandbox.process import CodeSandbox
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

CORPUS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "hostile-javascript.yaml").read_text()
)
ENDLESS_S = 0.1
MAX_LOG_CHARS = 4_000
AT_ONCE = 2
BEAT_S = 0.005


def is_right(piece: Mapping[str, Any], came: CodeOutcome) -> bool:
    has_run_out = "took longer" in (came.error or "")
    match piece["ends"]:
        case "time":
            return has_run_out
        case "limit":
            return came.value_json is None
        case "error":
            return not has_run_out and re.search(piece["says"], came.error or "") is not None
        case "value":
            return came.value_json is not None and json.loads(came.value_json) == piece["value"]
        case _:
            return not has_run_out


async def test_every_piece_of_the_corpus_is_stopped_and_the_loop_goes_on() -> None:
    sandbox, came = CodeSandbox(at_once=AT_ONCE), dict[str, CodeOutcome]()
    is_over = anyio.Event()
    beats = 0

    async def run_every(start: int) -> None:
        for piece in CORPUS[start::AT_ONCE]:
            timeout_s = ENDLESS_S if piece["ends"] in {"time", "limit"} else PATIENCE_S
            came[piece["name"]] = await sandbox.run(piece["code"], {"secret": "none"}, timeout_s)

    async def beat() -> None:
        nonlocal beats
        while not is_over.is_set():
            await anyio.sleep(BEAT_S)
            beats += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        async with anyio.create_task_group() as runs:
            for start in range(AT_ONCE):
                runs.start_soon(run_every, start)
        is_over.set()
    await sandbox.close()
    wrong = {name: outcome for name, outcome in came.items() if not is_right(piece_named(name), outcome)}
    assert wrong == {}
    assert len(came) == len(CORPUS) >= 100
    assert max(len(outcome.log) for outcome in came.values()) <= MAX_LOG_CHARS
    # A loop that were held up by a run would not get to one beat in each.
    assert beats > len(CORPUS)


async def test_the_sandbox_is_as_good_as_new_after_all_of_it() -> None:
    sandbox = CodeSandbox()
    for piece in CORPUS[-3:]:
        await sandbox.run(piece["code"], {}, PATIENCE_S)
    assert await sandbox.run("return dv.name", {"name": "Ann"}, PATIENCE_S) == CodeOutcome('"Ann"')
    await sandbox.close()


def piece_named(name: str) -> Mapping[str, Any]:
    (piece,) = (piece for piece in CORPUS if piece["name"] == name)
    return piece
