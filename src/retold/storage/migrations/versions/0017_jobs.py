"""Work that is done in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("error", sa.Text),
    )
    op.create_index("job_by_call", "job", ["call_id"])
    for name, column, state in (("job_due", "due_ms", "pending"), ("job_dead", "created_ms", "dead")):
        where = sa.text(f"state = '{state}'")
        op.create_index(name, "job", [column], sqlite_where=where, postgresql_where=where)
