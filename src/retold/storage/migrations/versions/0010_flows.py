"""Conversation flows, their shared components, and which names which."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversation_flow",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("conversation_flow_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("is_published", sa.Boolean, nullable=False),
        sa.Column("last_modification_timestamp", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("highest_version", sa.Integer, nullable=False),
    )
    op.create_index("conversation_flow_by_change", "conversation_flow", ["org_id", "last_modification_timestamp"])
    op.create_table(
        "flow_component",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("conversation_flow_component_id", sa.String(64), primary_key=True),
        sa.Column("user_modified_timestamp", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("flow_component_by_change", "flow_component", ["org_id", "user_modified_timestamp"])
    op.create_table(
        "flow_component_use",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("conversation_flow_component_id", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    )
    op.create_index("flow_component_use_by_user", "flow_component_use", ["org_id", "user_id"])


def downgrade() -> None:
    for name in ("flow_component_use", "flow_component", "conversation_flow"):
        op.drop_table(name)
