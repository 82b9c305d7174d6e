"""Room for the summaries of blocks of calls; the server makes them in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_block",
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("is_summarised", sa.Boolean, nullable=False),
    )
    op.create_table(
        "call_span",
        _org_id(),
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("has_all_keys", sa.Boolean, nullable=False),
        sa.Column("calls", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_bitmap",
        _org_id(),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("calls", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    for table in ("call_span", "call_bitmap"):
        op.create_index(f"{table}_by_block", table, ["block"])


def _org_id() -> sa.Column[str]:
    return sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True)


def downgrade() -> None:
    for table in ("call_bitmap", "call_span", "call_block"):
        op.drop_table(table)
