"""The table of what is to be done in the background."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, text

from retold.storage.tables import metadata

job = Table(
    "job",
    metadata,
    Column("job_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("call_id", String(64), nullable=False),
    # pending, or dead: all attempts failed. What is done has no row.
    Column("state", String(16), nullable=False),
    # That were begun; one that a crash cut off counts.
    Column("attempts", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    # Who is at it, and until when nobody else may be; see storage/claims.py.
    Column("leased_by", String(64)),
    Column("lease_until_ms", BigInteger),
    # Why the last attempt failed.
    Column("error", Text),
    Index("job_by_call", "call_id"),
    Index("job_due", "due_ms", sqlite_where=text("state = 'pending'")),
    Index("job_dead", "created_ms", sqlite_where=text("state = 'dead'")),
)
