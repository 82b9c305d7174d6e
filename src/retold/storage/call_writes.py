"""Writing a call: its rows in all tables, in the caller's transaction."""

from sqlalchemy import Connection, delete, func, insert, select, update

from retold.domain.call import CallRecord
from retold.domain.call_query import Place
from retold.storage.call_block_writes import forget_block_of
from retold.storage.call_json import StoredCall, record_of
from retold.storage.call_rows import CallRows, rows_of
from retold.storage.driver import at_once, inserted, run
from retold.storage.tables import call, call_attribute, call_body, call_tool

_INSERT_CALL, _INSERT_BODY = insert(call).returning(call.c.row_id), insert(call_body)
_INSERT_ATTRIBUTE, _INSERT_TOOL = insert(call_attribute), insert(call_tool)


def insert_call(connection: Connection, rows: CallRows, server: str | None = None) -> int:
    """Insert a call that is this server's work; gives its row_id."""
    with at_once(connection):
        [row_id] = inserted(connection, _INSERT_CALL, {**rows.call, "server": server})
        run(connection, _INSERT_BODY, [{"row_id": row_id, **rows.stored._asdict()}])
        _insert_all(connection, row_id, rows)
    return row_id


def replace_call(connection: Connection, rows: CallRows, before: CallRecord | None = None) -> None:
    """Put these rows in the place of what is stored of the call; `before` spares to write what has not changed."""
    call_id = rows.call["call_id"]
    [row_id] = connection.execute(select(call.c.row_id).where(call.c.call_id == call_id)).one()
    connection.execute(update(call).where(call.c.row_id == row_id).values(rows.call))
    connection.execute(update(call_body).where(call_body.c.row_id == row_id).values(rows.stored._asdict()))
    known = rows_of(before) if before else None
    if known is None or (known.attributes, known.tools) != (rows.attributes, rows.tools):
        for table in (call_attribute, call_tool):
            connection.execute(delete(table).where(table.c.row_id == row_id))
        _insert_all(connection, row_id, rows)
    if before is None or before.call.call_status.is_terminal:
        # Others are in no summary.
        forget_block_of(connection, row_id)


def remove_call(connection: Connection, call_id: str) -> Place:
    """Delete a call that is there from its tables, and tell where it stood; its journal is kept elsewhere."""
    [row_id, sort_ms] = connection.execute(select(call.c.row_id, call.c.sort_ms).where(call.c.call_id == call_id)).one()
    # All other tables go with the row.
    connection.execute(delete(call).where(call.c.row_id == row_id))
    forget_block_of(connection, row_id)
    newest = connection.scalar(select(func.max(call.c.row_id))) or 0
    if newest < row_id:
        # SQLite gives the number again: to the next call, in a block that was over.
        forget_block_of(connection, newest + 1)
    return Place(sort_ms, row_id)


def stored_record(connection: Connection, org_id: str | None, call_id: str) -> CallRecord | None:
    """A call of this organisation, None over all."""
    wanted = select(call_body.c.body, call_body.c.transcripts).join(call).where(call.c.call_id == call_id)
    row = connection.execute(wanted if org_id is None else wanted.where(call.c.org_id == org_id)).first()
    return None if row is None else record_of(StoredCall(*row))


def _insert_all(connection: Connection, row_id: int, rows: CallRows) -> None:
    for statement, several in ((_INSERT_ATTRIBUTE, rows.attributes), (_INSERT_TOOL, rows.tools)):
        if several:
            run(connection, statement, [{"row_id": row_id, **one} for one in several])
