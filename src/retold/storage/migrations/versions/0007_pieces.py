"""Pieces of call ids and numbers are found by an index on PostgreSQL, too, where the server has pg_trgm and lets us."""

import contextlib

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FIELDS = ("call_id", "batch_call_id", "from_number", "to_number")


def upgrade() -> None:
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        return
    columns = ", ".join(f"{name} gin_trgm_ops" for name in FIELDS)
    with contextlib.suppress(DBAPIError), bind.begin_nested():
        bind.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        bind.execute(sa.text(f"CREATE INDEX call_gram ON call USING gin ({columns}) WITH (fastupdate = off)"))


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP INDEX IF EXISTS call_gram")
