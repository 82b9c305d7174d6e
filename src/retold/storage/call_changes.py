"""Changes of stored calls that take more than one statement; each function is one transaction's work."""

from collections.abc import Callable

from sqlalchemy import Connection, Table, delete, insert, select, update

from retold.domain.audit import Act
from retold.domain.call import CallRecord
from retold.ids import OrgId
from retold.storage.access_tables import idempotency
from retold.storage.audit import note
from retold.storage.call_rows import rows_of
from retold.storage.call_tables import call_tombstone
from retold.storage.call_writes import remove_call, replace_call, stored_record
from retold.storage.idempotency import KEPT_MS
from retold.storage.tables import call, call_event, metadata
from retold.storage.webhook_redaction import redact_events

_SLACK_MS = 120_000
"""An answer's expiry is counted from when its request came, the call's age from when it was made."""

Change = Callable[[CallRecord], CallRecord]
Redact = Callable[[bytes], bytes | None]
"""What may stay of an event in the journal; None when nothing."""


def change_call(
    connection: Connection, org_id: str, call_id: str, change: Change, redact: Redact | None = None
) -> CallRecord | None:
    """Replace a call by what `change` makes of it, and its journal by what `redact` leaves; None when there is none.

    Its webhook events lose what a tightened storage setting forbids.
    Raises what `change` raises; nothing is changed then.
    """
    before = stored_record(connection, org_id, call_id)
    if before is None:
        return None
    changed = change(before)
    replace_call(connection, rows_of(changed), before)
    if before.call.stores_sensitive_data and not changed.call.stores_sensitive_data:
        redact_events(connection, call_id)
    if redact is not None:
        _redact_journal(connection, call_id, redact)
    return changed


def delete_call(
    connection: Connection, org_id: str, call_id: str, now_ms: int, erasure_id: str | None = None
) -> CallRecord | None:
    """Remove a call and all that belongs to it, leaving a tombstone; gives what was removed, None without a call."""
    record = stored_record(connection, org_id, call_id)
    if record is None:
        return None
    note(connection, OrgId(org_id), Act.DELETE, "call", call_id)
    for table in tables_beside_calls():
        connection.execute(delete(table).where(table.c.call_id == call_id))
    place = remove_call(connection, call_id)
    _forget_answers(connection, record)
    connection.execute(
        insert(call_tombstone).values(
            call_id=call_id,
            org_id=org_id,
            deleted_ms=now_ms,
            sort_ms=place.sort_ms,
            row_id=place.row_id,
            erasure_id=erasure_id,
        )
    )
    return record


def tables_beside_calls() -> list[Table]:
    """Every table with rows of calls beside their own, but for the marks that deleted ones leave."""
    # A table that is added later is in it, so that nobody forgets to erase from it.
    own = (call, call_tombstone)
    return [one for one in metadata.sorted_tables if "call_id" in one.c and one not in own]


def _forget_answers(connection: Connection, record: CallRecord) -> None:
    """Drop what the request that made the call was answered: it may be repeated, and would show the call again."""
    made_ms = record.created_wall_ms
    name = record.call.call_id.encode()
    for kept_ms in KEPT_MS:
        around = idempotency.c.expires_ms.between(made_ms + kept_ms - _SLACK_MS, made_ms + kept_ms + _SLACK_MS)
        mine = (idempotency.c.org_id == record.org_id) & around & idempotency.c.body.is_not(None)
        for key_hash, body in connection.execute(select(idempotency.c.key_hash, idempotency.c.body).where(mine)).all():
            if name in body:
                this = (idempotency.c.org_id == record.org_id) & (idempotency.c.key_hash == key_hash)
                connection.execute(update(idempotency).where(this).values(status=None, headers=None, body=None))


def _redact_journal(connection: Connection, call_id: str, redact: Redact) -> None:
    mine = call_event.c.call_id == call_id
    for seq, event in connection.execute(select(call_event.c.seq, call_event.c.event).where(mine)).all():
        left = redact(event)
        this = mine & (call_event.c.seq == seq)
        if left is None:
            connection.execute(delete(call_event).where(this))
        elif left != event:
            connection.execute(update(call_event).where(this).values(event=left))
