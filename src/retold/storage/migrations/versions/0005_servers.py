"""Which server a call belongs to, when several share a database."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call", sa.Column("server", sa.String(64)))


def downgrade() -> None:
    with op.batch_alter_table("call") as batch:
        batch.drop_column("server")
