"""The table of the audit log; it shares its `metadata` with `tables`."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text

from retold.storage.tables import metadata

audit = Table(
    "audit",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_name", Text),
    Column("actor_ip", String(64)),
    Column("act", String(16), nullable=False),
    Column("object_type", String(32), nullable=False),
    Column("object_id", Text, nullable=False),
    Column("changes", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_by_object", "org_id", "object_id", "sequence"),
)
