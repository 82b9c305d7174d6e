"""The tables: typed, indexed columns for what is searched, JSON text for the rest.

Only types that SQLite and PostgreSQL share. The migrations create them; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()

UNFINISHED = ("registered", "ongoing")
"""The statuses of calls that are still somebody's work."""

org = Table(
    "org",
    metadata,
    Column("org_id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", String(64), primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
    # Separated by spaces; NULL is all of them.
    Column("scopes", Text),
    Column("expires_ms", BigInteger),
    Column("last_used_ms", BigInteger),
    # The secret of a webhook key under the master key; others are kept as a hash only.
    Column("sealed_secret", Text),
    Index("api_key_by_hash", "key_hash", unique=True),
    Index("api_key_by_org", "org_id"),
)

call = Table(
    "call",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("agent_version", Integer, nullable=False),
    Column("call_type", String(16), nullable=False),
    Column("call_status", String(16), nullable=False),
    Column("disconnection_reason", String(64)),
    Column("direction", String(16)),
    Column("from_number", String(64)),
    Column("to_number", String(64)),
    # The start, or the creation of a call that never started: what lists are sorted by.
    Column("sort_ms", BigInteger, nullable=False),
    Column("start_timestamp", BigInteger),
    Column("end_timestamp", BigInteger),
    Column("duration_ms", BigInteger),
    Column("e2e_latency_p50", Float),
    # Whose work it is while it is unfinished; NULL when the database has one server only.
    Column("server", String(64)),
    Column("body", Text, nullable=False),
    Index("call_by_start", "org_id", "sort_ms", "call_id"),
    Index("call_by_agent", "org_id", "agent_id", "sort_ms"),
    Index("call_by_status", "org_id", "call_status", "sort_ms"),
    Index("call_by_reason", "org_id", "disconnection_reason", "sort_ms"),
    Index("call_by_end", "org_id", "end_timestamp"),
    Index(
        "call_unfinished",
        "call_status",
        sqlite_where=text("call_status IN ('registered', 'ongoing')"),
        postgresql_where=text("call_status IN ('registered', 'ongoing')"),
    ),
)

call_event = Table(
    "call_event",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Float, nullable=False),
    Column("event", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

outbox = Table(
    "outbox",
    metadata,
    Column("event_id", String(64), primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("call_id", String(64)),
    Column("kind", String(32), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Index("outbox_by_due", "due_ms"),
    Index("outbox_by_call", "call_id"),
)
