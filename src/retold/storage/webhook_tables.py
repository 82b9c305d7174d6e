"""Tables of webhooks: the events to deliver, what came of each attempt, and which receivers are in trouble."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from retold.storage.tables import RowId, metadata

webhook_event = Table(
    "webhook_event",
    metadata,
    # In the order of writing: so the events of one call are delivered in it.
    Column("row_id", RowId, primary_key=True),
    Column("event_id", String(64), nullable=False),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("event", String(32), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    # pending, delivered, dead (all attempts failed) or dropped (its endpoint does not want it).
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    # When it was last put in line, by its call or by who had it sent again: its schedule counts from then.
    Column("queued_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    # Who is delivering it, and until when nobody else may; see storage/claims.py.
    Column("leased_by", String(64)),
    Column("lease_until_ms", BigInteger),
    # When it left the line; NULL while it is pending.
    Column("settled_ms", BigInteger),
    Column("call", LargeBinary, nullable=False),
    # How the addresses of the call's files are made when it is sent (file_links.py).
    Column("files_token", String(64), nullable=False),
    Column("link_lifetime_ms", BigInteger),
    Column("extra", Text),
    Column("is_whole", Boolean, nullable=False),
    Index("webhook_event_by_id", "event_id", unique=True),
    Index("webhook_event_by_call", "call_id", "row_id"),
    Index("webhook_event_by_org", "org_id", "row_id"),
    Index("webhook_event_by_settling", "settled_ms", sqlite_where=text("settled_ms IS NOT NULL")),
    Index("webhook_event_due", "due_ms", "endpoint", sqlite_where=text("state = 'pending'")),
    Index("webhook_event_leased", "lease_until_ms", "endpoint", sqlite_where=text("lease_until_ms IS NOT NULL")),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    Column("row_id", ForeignKey("webhook_event.row_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("took_ms", Integer, nullable=False),
    # NULL when there was no answer; the error says why.
    Column("status", Integer),
    Column("error", Text),
    # The beginning of the answer's body.
    Column("reply", LargeBinary),
    sqlite_with_rowid=False,
)

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    # Only endpoints in trouble have a row: the next success removes it.
    Column("endpoint", String(64), primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    # Until then nothing is sent there; NULL while there were few failures.
    Column("open_until_ms", BigInteger),
    # When it said that it is gone for good; NULL for all others.
    Column("disabled_ms", BigInteger),
    Index("webhook_endpoint_by_org", "org_id"),
)
