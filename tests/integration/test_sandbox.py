"""The processes that run the code of tools: what they may do, and that none is left behind."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from retold.cli.sandbox import check_sandbox
from retold.domain.code_outcome import CodeOutcome
from retold.providers.sandbox.process import MAX_VALUE_BYTES, PROGRAM, CodeSandbox
from retold.settings import Settings
from support.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

ENDLESS = "for (;;);"


def children() -> set[int]:
    """The processes that any thread of this one has started and not yet reaped."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").glob("*/children"):
        # A thread that has ended meanwhile has left its children to another.
        with suppress(OSError):
            found |= {int(pid) for pid in thread.read_text().split()}
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def limits_of(pid: int) -> dict[str, list[str]]:
    """The soft and the hard one, by the kernel's names."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def surroundings(pid: int) -> tuple[bytes, set[str]]:
    """The environment, and which files are open."""
    return Path(f"/proc/{pid}/environ").read_bytes(), {file.name for file in Path(f"/proc/{pid}/fd").iterdir()}


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - of another process nothing tells
            await anyio.sleep(0.01)


@asynccontextmanager
async def sandbox(*, at_once: int = 2, program: str = PROGRAM) -> AsyncGenerator[CodeSandbox]:
    made = CodeSandbox(at_once=at_once, program=program)
    try:
        yield made
    finally:
        await made.close()


async def outcome(code: str, **variables: str) -> CodeOutcome:
    async with sandbox() as made:
        return await made.run(code, variables, PATIENCE_S)


async def test_code_sees_the_variables_and_gives_a_value() -> None:
    told = await outcome("const n = Number(dv.price) * 2; return { total: `$${n.toFixed(2)}` }", price="9.5")
    assert told == CodeOutcome('{"total":"$19.00"}')


async def test_code_sees_the_metadata_of_the_call() -> None:
    async with sandbox() as made:
        told = await made.run("return metadata.customer.tier", {}, PATIENCE_S, metadata={"customer": {"tier": "gold"}})
        without = await made.run("return metadata", {}, PATIENCE_S)
    assert (told.value_json, without.value_json) == ('"gold"', "{}")


async def test_code_may_wait_for_promises() -> None:
    told = await outcome("const a = await Promise.all([1, 2].map(async (n) => n * 2)); return a")
    assert told.value_json == "[2,4]"


async def test_any_text_reaches_code_and_comes_back() -> None:
    text = 'a"b\\c\n\0\u2028 {{x}} \N{SLICE OF PIZZA} ünï'
    told = await outcome("return dv.text", text=text)
    assert json.loads(told.value_json or "") == text


async def test_an_error_is_told_with_its_line_and_what_was_written() -> None:
    told = await outcome("console.log('begins', { a: 1 })\n\nnobody()")
    assert told.error == "ReferenceError: nobody is not defined (line 3)"
    assert told.log == 'begins {"a":1}\n'


async def test_code_that_waits_for_nothing_is_told_so() -> None:
    told = await outcome("await new Promise(() => {})")
    assert told.error == "the code waits for something that never comes"


async def test_a_run_finds_nothing_of_the_one_before() -> None:
    async with sandbox() as made:
        await made.run("globalThis.left = 1; Object.prototype.left = 1", {}, PATIENCE_S)
        told = await made.run("return typeof left + typeof {}.left", {}, PATIENCE_S)
    assert told.value_json == '"undefinedundefined"'


async def test_no_process_and_no_file_is_left() -> None:
    processes, files = children(), open_files()
    async with sandbox() as made:
        for code in ("return 1", "nobody()", "let let", "return 'x'.repeat(2 ** 20)"):
            await made.run(code, {}, PATIENCE_S)
        await made.run(ENDLESS, {}, 0.1)
        assert len(children() - processes) == 1
    assert children() == processes
    assert open_files() == files


async def test_what_takes_too_long_is_killed() -> None:
    processes = children()
    async with sandbox() as made:
        told = await made.run(ENDLESS, {}, 0.2)
    assert told.error == "the code took longer than 0.2 s"
    assert children() == processes


async def test_who_is_cancelled_leaves_no_process() -> None:
    processes = children()
    async with sandbox() as made, anyio.create_task_group() as tasks:
        tasks.start_soon(made.run, ENDLESS, {}, PATIENCE_S)
        # The one that works, and the next.
        await until(lambda: len(children() - processes) == 2)
        tasks.cancel_scope.cancel()
    assert children() == processes


async def test_only_so_many_run_at_once_and_waiting_counts() -> None:
    processes = children()
    async with sandbox(at_once=1) as made, anyio.create_task_group() as tasks:
        tasks.start_soon(made.run, ENDLESS, {}, PATIENCE_S)
        await until(lambda: len(children() - processes) == 2)
        told = await made.run("return 1", {}, 0.2)
        assert told.error == "the code took longer than 0.2 s"
        assert len(children() - processes) == 2
        tasks.cancel_scope.cancel()


async def test_a_process_that_waits_and_dies_is_replaced() -> None:
    processes = children()
    async with sandbox() as made:
        await made.run("return 1", {}, PATIENCE_S)
        (spare,) = children() - processes
        os.kill(spare, 9)
        await until(lambda: "Z" in status(spare)["State"])
        told = await made.run("return 2", {}, PATIENCE_S)
    assert told.value_json == "2"
    assert children() == processes


async def test_a_process_has_no_rights_no_surroundings_and_limits() -> None:
    processes = children()
    async with sandbox() as made:
        await made.run("return 1", {}, PATIENCE_S)
        (spare,) = children() - processes
        await until(lambda: status(spare)["Seccomp"] == "2")
        told, limits = status(spare), limits_of(spare)
        if os.geteuid() == 0:
            assert told["Uid"].split() == ["65534"] * 4
            assert told["Groups"] == ""
            assert set(told["CapEff"]) == {"0"}
            assert surroundings(spare) == (b"", {"0", "1", "2"})
    assert told["NoNewPrivs"] == "1"
    for name in ("Max core file size", "Max file size", "Max processes"):
        assert limits[name] == ["0", "0"]
    assert limits["Max open files"] == ["3", "3"]
    assert limits["Max cpu time"] == ["61", "61"]
    assert int(limits["Max address space"][0]) < 400 * 2**20


READY = "import os, sys\ndef say(text): os.write(1, text)\nsay(b'ready\\n')\n"
FREE = "while True: pass"


@pytest.mark.parametrize(
    ("program", "error"),
    [
        pytest.param("pass", "cannot run code safely: its process ends at once", id="nothing"),
        pytest.param("print('no filter here')", "cannot run code safely: no filter here", id="a refusal"),
        pytest.param("while True: print('xxx' * 10**6)", "cannot run code safely: xxx", id="a flood at once"),
        pytest.param(FREE, "took longer", id="no greeting"),
        pytest.param(READY + FREE, "took longer", id="no answer"),
        pytest.param(READY, "ended without an answer", id="an end"),
        pytest.param(READY + "os.abort()", "ended without an answer", id="a crash"),
        pytest.param(READY + "say(b'{ xxx')", "something else than it may", id="no JSON"),
        pytest.param(READY + "say(b'[1]')", "something else than it may", id="other JSON"),
        pytest.param(READY + "say(b'[' * 10**5)", "something else than it may", id="deep JSON"),
        pytest.param(READY + 'say(b\'{"value": "\\xff"}\')', "something else than it may", id="no UTF-8"),
        pytest.param(READY + 'say(b\'{"value": "nonsense"}\')', "cannot be told as JSON", id="no JSON inside"),
        pytest.param(READY + "say(b'{\"x\": ' + b'[' * 10**5)", "something else than it may", id="deep JSON beside"),
        pytest.param(READY + "say(b'{\"value\": \"' + b'[' * 60000 + b'\"}')", "told as JSON", id="deep JSON inside"),
        pytest.param(READY + "while True: say(b'x' * 10**6)", "something else than it may", id="a flood"),
    ],
)
async def test_what_a_process_says_is_not_believed(program: str, error: str) -> None:
    processes, files = children(), open_files()
    async with sandbox(program=program) as made:
        told = await made.run("return 1", {}, 1.0 if error == "took longer" else PATIENCE_S)
    assert told.value_json is None
    assert error in (told.error or "")
    assert children() == processes
    assert open_files() == files


async def test_a_request_that_nobody_reads_does_not_block() -> None:
    async with sandbox(program=READY + FREE) as made:
        told = await made.run("return 1", {"large": "x" * 2**20}, 1.0)
    assert told.error == "the code took longer than 1 s"


async def test_the_largest_value_that_is_taken() -> None:
    largest = await outcome(f"return 'x'.repeat({MAX_VALUE_BYTES - 2})")
    larger = await outcome(f"return 'x'.repeat({MAX_VALUE_BYTES - 1})")
    assert len(largest.value_json or "") == MAX_VALUE_BYTES
    assert larger == CodeOutcome(None, "what the code returns has more than 64 KiB")


@pytest.mark.parametrize(
    ("mode", "state", "detail"),
    [("seccomp", "ok", "with a filter"), ("process", "warning", "without a filter")],
)
def test_doctor_runs_a_piece_of_code(mode: str, state: str, detail: str) -> None:
    finding = check_sandbox(Settings.model_validate({"sandbox": mode}))
    assert finding.state == state
    assert detail in finding.detail


async def test_without_the_filter_code_runs_in_a_process_with_limits() -> None:
    made = CodeSandbox(needs_filter=False)
    processes = children()
    told = await made.run("return 1", {}, PATIENCE_S)
    (spare,) = children() - processes
    assert status(spare)["Seccomp"] == "0"
    await made.close()
    assert told.value_json == "1"
