"""Changing a call while it goes on: its fields, what the agent knows, and when it speaks."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import orjson

from retold.calls.change import CallChanges
from retold.calls.create import check_metadata
from retold.calls.deps import Deps
from retold.calls.finish import erase
from retold.calls.live import Course, LiveCall
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus
from retold.engine.timeline import CallOverridden, ContextInjected, decode, encode, without_sensitive
from retold.errors import InvalidRequest
from retold.ids import CallId, OrgId


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveChanges:
    """What update-live-call may do; by default nothing."""

    changes: CallChanges = field(default_factory=CallChanges)
    variable_overrides: Mapping[str, str] | None = None
    drops_variable_overrides: bool = False
    additional_context: str | None = None
    triggers_reply: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that are changed."""
        named = {
            "metadata": self.changes.metadata is not None,
            "data_storage_setting": self.changes.data_storage_setting is not None,
            "override_dynamic_variables": self.variable_overrides is not None or self.drops_variable_overrides,
        }
        return tuple(name for name, is_changed in named.items() if is_changed)

    def applied_to(self, record: CallRecord) -> CallRecord:
        """The record with the changes. Raises InvalidRequest for a looser storage setting."""
        record = self.changes.applied_to(record)
        if self.variable_overrides is not None:
            overrides = {**orjson.loads(record.variable_overrides_json or "{}"), **self.variable_overrides}
            return record.model_copy(update={"variable_overrides_json": orjson.dumps(overrides).decode()})
        return record.model_copy(update={"variable_overrides_json": None}) if self.drops_variable_overrides else record


async def update_live(deps: Deps, org_id: OrgId, call_id: CallId, wanted: LiveChanges) -> bool:
    """Change a call that is going on; False when there is no such call.

    When this returns, the changes are on disk, and what a tightened storage setting forbids is not. Raises
    InvalidRequest for a call that is not going on, for metadata over the limit and for a looser storage setting.
    """
    check_metadata(wanted.changes.metadata)
    live = deps.live.find(call_id)
    if live is None or live.record.org_id != org_id:
        record = await deps.store.find_call(org_id, call_id)
        if record is None:
            return False
        raise _not_live(record.call.call_id, record.call.call_status)
    async with live.changing:
        course = live.course
        if course is None or not live.is_granted:
            raise _not_live(call_id, live.record.call.call_status if course is None else "over")
        if wanted.fields and not await _override(deps, org_id, live, course, wanted):
            return False
        now_ms = course.clock.now_ms()
        if wanted.additional_context is not None:
            live.note(ContextInjected(at_ms=now_ms, text=wanted.additional_context))
        if wanted.triggers_reply:
            live.trigger()
        await course.timeline.committed()
    return True


async def _override(deps: Deps, org_id: OrgId, live: LiveCall, course: Course, wanted: LiveChanges) -> bool:
    before = live.record
    changed = wanted.applied_to(before)
    is_tightened = before.call.stores_sensitive_data and not changed.call.stores_sensitive_data
    if is_tightened:
        # First nothing more is written, then what was written goes.
        course.timeline.tighten()
        await asyncio.to_thread(course.tape.discard)
    stored = await deps.store.change_call(
        org_id,
        CallId(before.call.call_id),
        _ongoing(wanted.applied_to),
        redacted if is_tightened else None,
        is_erasing=is_tightened,
    )
    if stored is None:
        return False
    live.record = stored
    if is_tightened:
        await erase(stored, deps.archive)
    live.note(CallOverridden(at_ms=course.clock.now_ms(), fields=wanted.fields))
    return True


def redacted(raw: bytes) -> bytes | None:
    """What may stay of a journaled event when nothing sensitive may; a damaged one goes."""
    try:
        kept = without_sensitive(decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return None if kept is None else encode(kept)


def _ongoing(change: Callable[[CallRecord], CallRecord]) -> Callable[[CallRecord], CallRecord]:
    def changed(record: CallRecord) -> CallRecord:
        if record.call.call_status is not CallStatus.ONGOING:
            raise _not_live(record.call.call_id, record.call.call_status)
        return change(record)

    return changed


def _not_live(call_id: str, status: str) -> InvalidRequest:
    return InvalidRequest(
        f"call {call_id} is {status}; only a call that is going on can be updated live",
        field="call_id",
        fix="PATCH /v2/update-call changes a call that is over",
    )
