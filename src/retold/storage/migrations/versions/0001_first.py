"""The first schema: organisations, keys, agents, calls, their journals, and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "org",
        sa.Column("org_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("prefix", sa.String(32), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger),
    )
    op.create_index("api_key_by_hash", "api_key", ["key_hash"], unique=True)
    op.create_index("api_key_by_org", "api_key", ["org_id"])
    op.create_table(
        "agent",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("is_published", sa.Boolean, nullable=False),
        sa.Column("last_modification_timestamp", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("agent_by_change", "agent", ["org_id", "last_modification_timestamp"])
    op.create_table(
        "call",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("agent_version", sa.Integer, nullable=False),
        sa.Column("call_type", sa.String(16), nullable=False),
        sa.Column("call_status", sa.String(16), nullable=False),
        sa.Column("disconnection_reason", sa.String(64)),
        sa.Column("direction", sa.String(16)),
        sa.Column("from_number", sa.String(64)),
        sa.Column("to_number", sa.String(64)),
        sa.Column("sort_ms", sa.BigInteger, nullable=False),
        sa.Column("start_timestamp", sa.BigInteger),
        sa.Column("end_timestamp", sa.BigInteger),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("e2e_latency_p50", sa.Float),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("call_by_start", "call", ["org_id", "sort_ms", "call_id"])
    op.create_index("call_by_agent", "call", ["org_id", "agent_id", "sort_ms"])
    op.create_index("call_by_status", "call", ["org_id", "call_status", "sort_ms"])
    op.create_index("call_by_reason", "call", ["org_id", "disconnection_reason", "sort_ms"])
    op.create_index("call_by_end", "call", ["org_id", "end_timestamp"])
    unfinished = sa.text("call_status IN ('registered', 'ongoing')")
    op.create_index("call_unfinished", "call", ["call_status"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_table(
        "call_event",
        sa.Column("call_id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.Float, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("call_id", sa.String(64)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("outbox_by_due", "outbox", ["due_ms"])
    op.create_index("outbox_by_call", "outbox", ["call_id"])


def downgrade() -> None:
    for name in ("outbox", "call_event", "call", "agent", "api_key", "org"):
        op.drop_table(name)
