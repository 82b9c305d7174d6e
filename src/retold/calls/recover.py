"""What happens to the calls a dead process left behind: on boot, and while this server lives."""

import asyncio

import anyio
from structlog.stdlib import get_logger

from retold.calls.finish import Archive, finish, has_spool, salvage
from retold.calls.live import LiveCalls
from retold.crash import crash_point
from retold.domain.call import CallRecord
from retold.domain.reasons import CallStatus
from retold.engine.timeline import replay
from retold.errors import StorageError
from retold.ids import CallId

LOOK_S = 5.0
"""How often a server looks for the calls of others that have died."""
AT_A_TIME = 4
"""Recordings that are encoded side by side."""


async def recover(archive: Archive, live: LiveCalls) -> int:
    """Finish every call that was in progress, and wait again for those that may still be joined.

    Calls that this server holds or waits for are left alone, so it may be done again at any time. Gives the number of
    finished ones. The record is made as at a normal end, from what the journal holds: with the reason that was
    intended, else error_retell. Cut off by another crash it starts again and comes to the same records. Raises
    StorageError when the calls cannot even be listed.
    """
    crash_point("recovery_begun")
    await archive.store.forget_stray_journals()
    unfinished = await archive.store.unfinished_calls()
    for record in unfinished:
        if record.call.call_status is CallStatus.REGISTERED and not live.knows(record.call.call_id):
            live.expect(record)
    left_behind = [
        record
        for record in unfinished
        if record.call.call_status is CallStatus.ONGOING and live.find(record.call.call_id) is None
    ]
    limiter = anyio.CapacityLimiter(AT_A_TIME)
    async with anyio.create_task_group() as tasks:
        for record in left_behind:
            tasks.start_soon(_recover_one, record, archive, limiter)
    await salvage(archive, is_live=lambda call_id: live.find(call_id) is not None)
    crash_point("recovery_done")
    return len(left_behind)


async def keep_watch(archive: Archive, live: LiveCalls) -> None:
    """Take over the calls of servers that died, and finish what an outage of the database left; until cancelled."""
    store = archive.store
    is_due, outages = False, store.outages
    while True:
        await anyio.sleep(LOOK_S)
        try:
            taken = await store.owners.take_over()
            if taken:
                get_logger().warning("calls_taken_over", calls=taken)
            is_due = is_due or taken > 0 or store.outages != outages
            outages = store.outages
            if is_due:
                await recover(archive, live)
                is_due = False
        except (StorageError, OSError) as error:
            get_logger().warning("calls_not_watched", error=str(error))


async def _recover_one(record: CallRecord, archive: Archive, limiter: anyio.CapacityLimiter) -> None:
    call_id = CallId(record.call.call_id)
    async with limiter:
        try:
            # It may have ended here after it was listed: then it left the registry with its end on disk.
            current = await archive.store.find_call(None, call_id)
            if current is None or current.call.call_status is not CallStatus.ONGOING:
                return
            journal = await archive.store.read_journal(call_id)
            events = await asyncio.to_thread(replay, journal)
            crash_point("recovery_replayed")
            # What was in memory when the process died is missing, half a second at most: the recording says so.
            is_recorded_here = await has_spool(record, archive)
            finished = await finish(
                record,
                events,
                archive,
                is_recording_complete=False,
                is_recorded_here=is_recorded_here,
                is_replayed=True,
            )
        except StorageError as error:
            get_logger().error("recovery_failed", call_id=call_id, error=str(error))
        except Exception:  # noqa: BLE001 - the border of a call: one that cannot be recovered harms no other
            get_logger().exception("recovery_failed", call_id=call_id)
        else:
            reason = finished.call.disconnection_reason
            get_logger().info("call_recovered", call_id=call_id, reason=reason and reason.value)
    crash_point("recovery_call_done")
