"""What is kept of erasures: their proof."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text

from retold.storage.tables import metadata

erasure = Table(
    "erasure",
    metadata,
    Column("erasure_id", String(64), primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    # NULL while it goes on, or was cut off.
    Column("finished_ms", BigInteger),
    # The whole proof as JSON.
    Column("proof", Text, nullable=False),
    Index("erasure_by_org", "org_id", "begun_ms", "erasure_id"),
)
