"""Versions and tags of agents, Retell LLMs, phone numbers."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent", sa.Column("highest_version", sa.Integer, nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("agent_name", sa.Text))
    op.add_column("agent", sa.Column("is_transfer_agent", sa.Boolean, nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("engine_id", sa.String(64)))
    op.add_column("agent", sa.Column("engine_version", sa.Integer))
    op.create_index("agent_by_engine", "agent", ["org_id", "engine_id"])
    _name_agents()
    op.create_table(
        "agent_tag",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("agent_id", sa.String(64), primary_key=True),
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer),
        sa.Column("assigned_ms", sa.BigInteger, nullable=False),
        sa.Column("dynamic_variables", sa.Text, nullable=False),
    )
    op.create_table(
        "llm",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("llm_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("is_published", sa.Boolean, nullable=False),
        sa.Column("last_modification_timestamp", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("highest_version", sa.Integer, nullable=False),
    )
    op.create_index("llm_by_change", "llm", ["org_id", "last_modification_timestamp"])
    op.create_table(
        "phone_number",
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), primary_key=True),
        sa.Column("phone_number", sa.String(64), primary_key=True),
        sa.Column("last_modification_timestamp", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("sealed_password", sa.Text),
    )
    op.create_index("phone_number_by_change", "phone_number", ["org_id", "last_modification_timestamp"])
    op.create_index("phone_number_by_number", "phone_number", ["phone_number"])


def downgrade() -> None:
    for name in ("phone_number", "llm", "agent_tag"):
        op.drop_table(name)
    op.drop_index("agent_by_engine", "agent")
    for name in ("engine_version", "engine_id", "is_transfer_agent", "agent_name", "highest_version"):
        op.drop_column("agent", name)


def _name_agents() -> None:
    """Take the searched fields of the agents that there are out of their bodies."""
    names = ("org_id", "agent_id", "version", "body", "agent_name", "is_transfer_agent", "highest_version")
    agent = sa.table("agent", *(sa.column(name) for name in names))
    connection = op.get_bind()
    for row in connection.execute(sa.select(agent)).all():
        body = json.loads(row.body)
        is_this = (
            (agent.c.org_id == row.org_id) & (agent.c.agent_id == row.agent_id) & (agent.c.version == row.version)
        )
        values = {
            "agent_name": body.get("agent_name"),
            "is_transfer_agent": bool(body.get("is_transfer_agent", False)),
            "highest_version": row.version,
        }
        connection.execute(sa.update(agent).where(is_this).values(values))
