"""The tables: typed, indexed columns for what is searched, JSON text for the rest.

Only types that SQLite and PostgreSQL share. The migrations create them; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    literal_column,
    text,
)

metadata = MetaData()

org = Table(
    "org",
    metadata,
    Column("org_id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # For agents that have no webhook of their own; NULL where the server's settings hold.
    Column("webhook_url", Text),
    # A JSON list.
    Column("webhook_events", Text),
    Column("webhook_timeout_ms", Integer),
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

# SQLite numbers rows by itself only in a column of exactly this type.
RowId = BigInteger().with_variant(Integer, "sqlite")


def _compared(size: int) -> String:
    """A text of which the beginning is searched for: its order must be that of its characters."""
    return String(size).with_variant(String(size, collation="C"), "postgresql")


call = Table(
    "call",
    metadata,
    # Small, in the order of creation and never shown: what all other tables and indexes know a call by.
    Column("row_id", RowId, primary_key=True),
    Column("call_id", _compared(64), nullable=False),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    # The start, or the creation of a call that never started: what lists are sorted by.
    Column("sort_ms", BigInteger, nullable=False),
    Column("call_status", String(16), nullable=False),
    Column("call_type", String(16), nullable=False),
    Column("agent_id", String(64), nullable=False),
    Column("agent_version", Integer, nullable=False),
    Column("agent_tag", Text),
    Column("batch_call_id", _compared(64)),
    Column("direction", String(16)),
    Column("from_number", _compared(128)),
    Column("to_number", _compared(128)),
    Column("disconnection_reason", String(64)),
    Column("user_sentiment", String(16)),
    Column("call_successful", Boolean),
    Column("in_voicemail", Boolean),
    Column("data_storage_setting", String(32)),
    Column("start_timestamp", BigInteger),
    Column("end_timestamp", BigInteger),
    Column("duration_ms", BigInteger),
    Column("combined_cost", Float),
    Column("e2e_latency_p50", Float),
    # Whose work it is while it is unfinished; NULL when the database has one server only.
    Column("server", String(64)),
    # From the end of a call whose agent keeps calls for some days only.
    Column("erase_after_ms", BigInteger),
    Index("call_by_erasing", "erase_after_ms", sqlite_where=text("erase_after_ms IS NOT NULL")),
    Index("call_by_id", "call_id", unique=True),
    Index("call_by_start", "org_id", "sort_ms", "row_id"),
    Index("call_by_version", "org_id", "agent_id", "agent_version", "sort_ms", "row_id"),
)

IS_UNFINISHED = call.c.call_status.in_([literal_column("'registered'"), literal_column("'ongoing'")])
"""Calls that are still somebody's work. The values are literals: what an index of these rows alone can answer must show
in the statement itself, or all calls are read."""
Index("call_unfinished", call.c.call_status, sqlite_where=IS_UNFINISHED)

ALWAYS_SET = ("agent_id", "agent_version", "call_status", "call_type")
SOMETIMES_SET = (
    "agent_tag",
    "batch_call_id",
    "direction",
    "from_number",
    "to_number",
    "disconnection_reason",
    "user_sentiment",
    "call_successful",
    "in_voicemail",
    "data_storage_setting",
    "end_timestamp",
    "duration_ms",
    "combined_cost",
    "e2e_latency_p50",
)
for _name in ALWAYS_SET:
    Index(f"call_by_{_name}", call.c.org_id, call.c[_name], call.c.sort_ms, call.c.row_id)
for _name in SOMETIMES_SET:
    # A call without the value costs such an index nothing.
    _is_set = call.c[_name].is_not(None)
    Index(
        f"call_by_{_name}",
        call.c.org_id,
        call.c[_name],
        call.c.sort_ms,
        call.c.row_id,
        sqlite_where=_is_set,
    )

call_body = Table(
    "call_body",
    metadata,
    Column("row_id", ForeignKey("call.row_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # The record as JSON without its transcripts, so that pages of lists never read them.
    Column("body", Text, nullable=False),
    # The fields that hold transcripts, as compressed JSON.
    Column("transcripts", LargeBinary),
)

call_attribute = Table(
    "call_attribute",
    metadata,
    Column("row_id", ForeignKey("call.row_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("kind", String(32), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    # The value as text, and as a number where the text is one; a list or an object has neither.
    Column("text_value", _compared(200)),
    Column("number_value", Float),
    Index("call_attribute_by_text", "org_id", "kind", "key", "text_value", "row_id"),
    Index(
        "call_attribute_by_number",
        "org_id",
        "kind",
        "key",
        "number_value",
        "row_id",
        sqlite_where=text("number_value IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

call_tool = Table(
    "call_tool",
    metadata,
    Column("row_id", ForeignKey("call.row_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text),
    Column("latency_ms", Float),
    Column("is_successful", Boolean),
    Index("call_tool_by_name", "org_id", "name", "row_id"),
    Index("call_tool_by_type", "org_id", "type", "row_id"),
    Index("call_tool_by_latency_ms", "org_id", "latency_ms", "row_id"),
    Index("call_tool_by_is_successful", "org_id", "is_successful", "row_id"),
    sqlite_with_rowid=False,
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


def limit_indexes(dialect: str) -> None:
    """Give the partial indexes, whose conditions are told for SQLite, the same ones for another dialect.

    Here they cannot stand for both: to name an option of PostgreSQL loads its dialect, 2 MB for every server.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            index.dialect_options[dialect]["where"] = index.dialect_options["sqlite"]["where"]
