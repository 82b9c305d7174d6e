"""Room for what statistics are told of; the summaries of blocks are made anew, with it.

The server makes them in the background.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_figures",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("figures", sa.LargeBinary, nullable=False),
    )
    op.create_index("call_figures_by_block", "call_figures", ["block"])
    block = sa.table("call_block", sa.column("version"), sa.column("is_summarised"))
    op.execute(sa.update(block).values(version=block.c.version + 1, is_summarised=False))
    for name in ("call_span", "call_bitmap"):
        op.execute(sa.delete(sa.table(name)))


def downgrade() -> None:
    op.drop_table("call_figures")
