"""Changes of calls that are over, and deleting one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from retold.calls.create import check_metadata
from retold.calls.deps import Deps
from retold.calls.erase import Eraser
from retold.calls.finish import erase
from retold.domain.call import CallRecord
from retold.domain.call_parts import DataStorageSetting
from retold.errors import InvalidRequest
from retold.ids import CallId, OrgId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChanges:
    """What update-call may change; None leaves a field as it is."""

    metadata: Mapping[str, Any] | None = None
    data_storage_setting: DataStorageSetting | None = None
    custom_attributes: Mapping[str, str | int | float | bool] | None = None

    def applied_to(self, record: CallRecord) -> CallRecord:
        """The record with the changes. Raises InvalidRequest for a looser storage setting."""
        call = record.call
        if self.data_storage_setting is not None:
            try:
                call = call.tightened(self.data_storage_setting)
            except ValueError as error:
                raise InvalidRequest(
                    str(error), field="data_storage_setting", fix="what was not stored cannot be brought back"
                ) from error
        if self.metadata is not None:
            call = call.model_copy(update={"metadata": dict(self.metadata)})
        if self.custom_attributes is not None:
            attributes = {**(call.custom_attributes or {}), **self.custom_attributes}
            call = call.model_copy(update={"custom_attributes": attributes})
        return record.model_copy(update={"call": call}).permitted()


async def update_finished(deps: Deps, org_id: OrgId, call_id: CallId, changes: CallChanges) -> CallRecord | None:
    """Change a call that is over; None when there is none.

    When this returns after tightening the storage setting, what it forbids is gone from the disk. Raises
    InvalidRequest for a call that is not over, for metadata over the limit and for a looser storage setting.
    """
    check_metadata(changes.metadata)
    record = await deps.store.find_call(org_id, call_id)
    if record is None:
        return None
    _finished(changes.applied_to)(record)
    setting = changes.applied_to(record).call.data_storage_setting
    is_tightened = is_erased = setting != record.call.data_storage_setting
    if is_erased:
        # Before the row is changed: a crash in between leaves addresses without files, never files without an address.
        await erase(record, deps.archive)
    changed = await deps.store.change_call(org_id, call_id, _finished(changes.applied_to), is_erasing=is_tightened)
    if is_erased:
        # A late recording may have been written meanwhile.
        await erase(record, deps.archive)
    return changed


async def delete(deps: Deps, org_id: OrgId, record: CallRecord) -> bool:
    """Erase a call everywhere, after ending it; False when somebody else was faster.

    Raises StorageError and OSError.
    """
    return await Eraser(deps.archive, deps.live).call(org_id, record)


def _finished(change: Callable[[CallRecord], CallRecord]) -> Callable[[CallRecord], CallRecord]:
    def changed(record: CallRecord) -> CallRecord:
        if not record.call.call_status.is_terminal:
            raise InvalidRequest(
                f"call {record.call.call_id} is {record.call.call_status}; only a call that is over can be updated",
                field="call_id",
                fix="PATCH /v2/update-live-call changes a call that is going on",
            )
        return change(record)

    return changed
