"""Two processes that write to one folder take turns."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from retold.clock import SystemClock
from retold.domain.api_key import NewKey
from retold.ids import DEFAULT_ORG_ID
from retold.storage.lock import WriteTurn
from retold.storage.store import Store
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

HOLDER = """
import sys, time
from pathlib import Path
from retold.storage.lock import WriteTurn
with WriteTurn(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


async def test_a_write_waits_for_the_other_process_and_is_not_lost(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, clock=SystemClock())
    with subprocess.Popen(  # noqa: ASYNC220 - it starts in a moment, and nothing else runs here
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with anyio.move_on_after(0.3) as patience:
            await store.keys.create(DEFAULT_ORG_ID, "key_late", NewKey(api_key_name="late"))
        assert patience.cancelled_caught
        holder.stdin.close()
        holder.wait(PATIENCE_S)
    keys = []
    with anyio.fail_after(PATIENCE_S):
        while not keys:
            keys = await store.keys.list_all(DEFAULT_ORG_ID)
    assert [key.api_key_name for key in keys] == ["late"]
    await store.close()


def test_a_turn_can_be_taken_again_and_again(tmp_path: Path) -> None:
    turn = WriteTurn(tmp_path)
    for _ in range(3):
        with turn:
            pass
    turn.close()
