"""Webhooks: their events, attempts and endpoints, and what an organisation has set; the unused outbox goes."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("outbox")
    op.add_column("org", sa.Column("webhook_url", sa.Text))
    op.add_column("org", sa.Column("webhook_events", sa.Text))
    op.add_column("org", sa.Column("webhook_timeout_ms", sa.Integer))
    _create_events()
    op.create_table(
        "webhook_attempt",
        sa.Column(
            "row_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            sa.ForeignKey("webhook_event.row_id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("took_ms", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("reply", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("open_until_ms", sa.BigInteger),
        sa.Column("disabled_ms", sa.BigInteger),
    )
    op.create_index("webhook_endpoint_by_org", "webhook_endpoint", ["org_id"])


def _create_events() -> None:
    op.create_table(
        "webhook_event",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("call_id", sa.String(64), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("timeout_ms", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("queued_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("settled_ms", sa.BigInteger),
        sa.Column("call", sa.LargeBinary, nullable=False),
        sa.Column("files_token", sa.String(64), nullable=False),
        sa.Column("link_lifetime_ms", sa.BigInteger),
        sa.Column("extra", sa.Text),
        sa.Column("is_whole", sa.Boolean, nullable=False),
    )
    op.create_index("webhook_event_by_id", "webhook_event", ["event_id"], unique=True)
    op.create_index("webhook_event_by_call", "webhook_event", ["call_id", "row_id"])
    op.create_index("webhook_event_by_org", "webhook_event", ["org_id", "row_id"])
    for name, columns, condition in (
        ("by_settling", ["settled_ms"], "settled_ms IS NOT NULL"),
        ("due", ["due_ms", "endpoint"], "state = 'pending'"),
        ("leased", ["lease_until_ms", "endpoint"], "lease_until_ms IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(
            f"webhook_event_{name}", "webhook_event", columns, sqlite_where=where, postgresql_where=where
        )
