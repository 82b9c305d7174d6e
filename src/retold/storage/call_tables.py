"""What is kept beside calls: the marks that deleted ones leave."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table

from retold.storage.tables import metadata

call_tombstone = Table(
    "call_tombstone",
    metadata,
    Column("call_id", String(64), primary_key=True),
    Column("org_id", ForeignKey("org.org_id"), nullable=False),
    Column("deleted_ms", BigInteger, nullable=False),
    # Where the call stood in lists: the page after it is still found. Unknown of the first that were deleted.
    Column("sort_ms", BigInteger),
    Column("row_id", BigInteger),
    Index("call_tombstone_by_org", "org_id", "deleted_ms"),
)
