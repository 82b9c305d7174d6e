"""What an API key may do and until when, its last use and sealed secret; answers for repeated requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("scopes", sa.Text))
    op.add_column("api_key", sa.Column("expires_ms", sa.BigInteger))
    op.add_column("api_key", sa.Column("last_used_ms", sa.BigInteger))
    op.add_column("api_key", sa.Column("sealed_secret", sa.Text))
    op.create_table(
        "idempotency",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("idempotency_by_expiry", "idempotency", ["expires_ms"])


def downgrade() -> None:
    op.drop_table("idempotency")
    with op.batch_alter_table("api_key") as batch:
        for name in ("sealed_secret", "last_used_ms", "expires_ms", "scopes"):
            batch.drop_column(name)
