"""What is kept beside calls: the marks that deleted ones leave, and the summaries of blocks (call_bits.py)."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

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
    # Which erasure it was (privacy_tables.py). Unknown of the first that were deleted.
    Column("erasure_id", String(64)),
    Index("call_tombstone_by_org", "org_id", "deleted_ms"),
    Index("call_tombstone_by_erasure", "erasure_id", sqlite_where=text("erasure_id IS NOT NULL")),
)

call_block = Table(
    "call_block",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    # One more with each change of a call in it: a summary is of one version.
    Column("version", Integer, nullable=False),
    # Whether the summary of this version is complete.
    Column("is_summarised", Boolean, nullable=False),
)

call_span = Table(
    "call_span",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    # Where the organisation's calls of the block begin and end in lists.
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    # Whether bitmaps tell of all their keys.
    Column("has_all_keys", Boolean, nullable=False),
    Column("calls", LargeBinary, nullable=False),
    Index("call_span_by_block", "block"),
    sqlite_with_rowid=False,
)

call_bitmap = Table(
    "call_bitmap",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("calls", LargeBinary, nullable=False),
    Index("call_bitmap_by_block", "block"),
    sqlite_with_rowid=False,
)

call_figures = Table(
    "call_figures",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    # What statistics are told of (call_figures.py).
    Column("figures", LargeBinary, nullable=False),
    Index("call_figures_by_block", "block"),
)
