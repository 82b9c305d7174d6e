"""What a call leaves behind is the same, whether its rows are in the data folder or on PostgreSQL."""

from pathlib import Path

import pytest

from support.call_house import hang_up_at_once, open_house
from support.database import postgres_url
from support.invariants import check_call, check_files, check_nothing_left

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_call_that_ends_before_any_audio_has_its_recording(tmp_path: Path, database: str) -> None:
    url = postgres_url(tmp_path) if database == "postgresql" else None
    async with open_house(tmp_path, database_url=url) as house:
        house.script = hang_up_at_once
        finished = await house.hold(await house.create())
    assert finished.call.recording_url
    assert finished.is_recording_complete
    check_call(finished.call.wire())
    check_files(tmp_path, finished.call.wire())
    check_nothing_left(tmp_path)
