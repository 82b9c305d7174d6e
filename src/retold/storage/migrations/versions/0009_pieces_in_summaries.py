"""Pieces of ids and numbers are found by the summaries of blocks: no index of them any more, and all summaries anew.

The server makes them in the background. The extension pg_trgm stays: somebody else may use it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE IF EXISTS call_gram")
    else:
        op.execute("DROP INDEX IF EXISTS call_gram")
    block = sa.table("call_block", sa.column("version"), sa.column("is_summarised"))
    op.execute(sa.update(block).values(version=block.c.version + 1, is_summarised=False))
    for name in ("call_span", "call_bitmap"):
        op.execute(sa.delete(sa.table(name)))


def downgrade() -> None:
    raise NotImplementedError("the index of pieces would have to be made again; restore a backup instead")
