"""Makers of stored things for tests, and a disk that fails on demand."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retold.domain.agent import Agent
from retold.domain.call import Call, CallRecord
from retold.domain.erasure import ErasureKind
from retold.domain.response_engine import CustomLlm
from retold.ids import DEFAULT_ORG_ID, CallId, OrgId, new_call_id, new_path_token
from retold.storage.disk import Disk
from retold.storage.store import Store

BORN_MS = 1_800_000_000_000


def make_agent(**changes: Any) -> Agent:
    shape: dict[str, Any] = {
        "agent_id": "agent_test",
        "last_modification_timestamp": BORN_MS,
        "response_engine": CustomLlm(llm_websocket_url="wss://llm.example/socket"),
        "voice_id": "default",
    }
    return Agent.model_validate(shape | changes)


def make_record(*, created_ms: int = BORN_MS, join_ms: int = 30_000, phone: bool = False, **changes: Any) -> CallRecord:
    shape: dict[str, Any] = {"call_id": new_call_id(), "agent_id": "agent_test", "agent_version": 0}
    return CallRecord(
        call=Call.model_validate(shape | changes),
        org_id=DEFAULT_ORG_ID,
        created_wall_ms=created_ms,
        join_deadline_wall_ms=created_ms + join_ms,
        is_registered_phone_call=phone,
        files_token=new_path_token(),
    )


async def delete_call(store: Store, call_id: str, org_id: OrgId = DEFAULT_ORG_ID) -> bool:
    """Take a call out of the database, as erasing does; False when there is none."""
    begun = await store.erasures.begin(org_id, ErasureKind.CALL)
    gone, _ = await store.erasures.erase(org_id, [CallId(call_id)], begun)
    return bool(gone)


class FaultyDisk(Disk):
    """Counts operations and makes those of them fail that `fails` says: `fails(number, operation)`, from 1."""

    def __init__(self, fails: Callable[[int, str], bool], code: int = errno.EIO) -> None:
        self.fails = fails
        self.code = code
        self.operations: list[str] = []
        self.free: int | None = None

    def _count(self, operation: str) -> None:
        self.operations.append(operation)
        if self.fails(len(self.operations), operation):
            raise OSError(self.code, f"made to fail at {operation}")

    def write(self, fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        self._count("write")
        super().write(fd, data, offset)

    def fsync(self, fd: int) -> None:
        self._count("fsync")
        super().fsync(fd)

    def replace(self, source: Path, target: Path) -> None:
        self._count("replace")
        super().replace(source, target)

    def database(self, step: str) -> None:
        self._count(step)

    def reserve(self, fd: int, size: int) -> None:
        if self.free is not None and size > self.free:
            raise OSError(errno.ENOSPC, "made to be full")
        super().reserve(fd, size)

    def free_bytes(self, folder: Path) -> int:
        return super().free_bytes(folder) if self.free is None else self.free
