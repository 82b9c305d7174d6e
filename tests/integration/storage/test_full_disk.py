"""A really full disk: the data folder on a small tmpfs (catalogue D6)."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

from retold.calls.finish import salvage
from retold.domain.reasons import CallStatus
from retold.errors import Unavailable
from retold.ids import CallId
from retold.storage.disk import StorageHealth
from support.call_house import RATE, HandClock, House, ScriptedSession, open_house
from support.invariants import check_call, check_files, check_nothing_left
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

SIZE = 8 * 1024 * 1024
BALLAST = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    if os.geteuid() != 0:
        pytest.skip("full disk: mounting a tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"full disk: cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill(filler: Path) -> None:
    """Use up all space there is."""
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


async def until_calls_are_refused(house: House) -> None:
    with anyio.fail_after(PATIENCE_S):
        while house.store.health is not StorageHealth.FULL:
            try:
                await house.create(metadata={"x": "y" * 20_000})
            except Unavailable:
                await anyio.sleep(0.01)
    with pytest.raises(Unavailable):
        await house.create()


class SystemPace(HandClock):
    """A hand clock on which the writer thread's next look at the disk is always due."""

    def monotonic_ms(self) -> float:
        self.pass_ms(1_000)
        return super().monotonic_ms()


async def test_a_full_disk_takes_no_calls_keeps_the_ends_of_running_ones_and_heals(small_disk: Path) -> None:
    async with open_house(small_disk / "data", clock=SystemPace(), ballast_bytes=BALLAST) as house:
        is_talking, go_on = anyio.Event(), anyio.Event()
        filler = small_disk / "filler"

        async def script(session: ScriptedSession) -> None:
            session.tape.write_caller(0, b"\x01\x00" * RATE)
            is_talking.set()
            await go_on.wait()
            session.tape.write_agent(0, b"\x01\x00" * RATE)
            session.end()

        house.script = script
        record = await house.create()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.hold, record)
            await is_talking.wait()
            fill(filler)
            await until_calls_are_refused(house)
            go_on.set()
        ended = await house.store.find_call(None, CallId(record.call.call_id))
        assert ended is not None
        assert ended.call.call_status is CallStatus.ENDED
        check_call(ended.call.wire())
        filler.unlink()
        with anyio.fail_after(PATIENCE_S):
            while house.store.health is not StorageHealth.OK:  # noqa: ASYNC110 - the writer thread has no event
                await anyio.sleep(0.05)
        assert (house.deps.archive.data_dir / "ballast").stat().st_size == BALLAST
        house.script = script
        later = await house.hold(await house.create())
        check_call(later.call.wire())
        check_files(small_disk / "data", later.call.wire())
        assert later.is_recording_complete
        await salvage(house.deps.archive, is_live=lambda _: False)
        late = await house.store.find_call(None, CallId(record.call.call_id))
        assert late is not None
        check_files(small_disk / "data", late.call.wire())
        assert late.call.recording_url
        check_nothing_left(small_disk / "data")
