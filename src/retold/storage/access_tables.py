"""Tables of who asks what: the answers that repeated requests get again."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from retold.storage.tables import metadata

idempotency = Table(
    "idempotency",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    # Of route and key together, as `storage.idempotency` makes it.
    Column("key_hash", String(64), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    # All three are NULL until the answer is known, and stay so for an answer that may not be kept.
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    Index("idempotency_by_expiry", "expires_ms"),
)
