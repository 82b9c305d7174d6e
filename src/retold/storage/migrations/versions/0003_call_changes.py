"""What deleted calls leave behind."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_tombstone",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("deleted_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("call_tombstone_by_org", "call_tombstone", ["org_id", "deleted_ms"])
