"""When calls are to be erased, and the proofs of erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call", sa.Column("erase_after_ms", sa.BigInteger))
    op.add_column("call_tombstone", sa.Column("erasure_id", sa.String(64)))
    for name, table, column in (
        ("call_by_erasing", "call", "erase_after_ms"),
        ("call_tombstone_by_erasure", "call_tombstone", "erasure_id"),
    ):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "erasure",
        sa.Column("erasure_id", sa.String(64), primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("begun_ms", sa.BigInteger, nullable=False),
        sa.Column("finished_ms", sa.BigInteger),
        sa.Column("proof", sa.Text, nullable=False),
    )
    op.create_index("erasure_by_org", "erasure", ["org_id", "begun_ms", "erasure_id"])


def downgrade() -> None:
    op.drop_table("erasure")
    op.drop_index("call_tombstone_by_erasure", "call_tombstone")
    op.drop_column("call_tombstone", "erasure_id")
    op.drop_index("call_by_erasing", "call")
    op.drop_column("call", "erase_after_ms")
