"""Calls that can be found by every filter: typed columns, keyed values, tools; transcripts apart and compressed.

Frozen: what it makes of a stored call is what the program made of one on the day of this revision.
"""

import hashlib
import json
import math
import zlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ALWAYS_SET = ("agent_id", "agent_version", "call_status", "call_type")
SOMETIMES_SET = (
    "agent_tag",
    "batch_call_id",
    "direction",
    "from_number",
    "to_number",
    "disconnection_reason",
    "user_sentiment",
    "call_successful",
    "in_voicemail",
    "data_storage_setting",
    "end_timestamp",
    "duration_ms",
    "combined_cost",
    "e2e_latency_p50",
)
SAME_NAME = (
    "call_id",
    "call_status",
    "call_type",
    "agent_id",
    "agent_version",
    "agent_tag",
    "batch_call_id",
    "direction",
    "from_number",
    "to_number",
    "disconnection_reason",
    "data_storage_setting",
    "start_timestamp",
    "end_timestamp",
    "duration_ms",
)
TRANSCRIPT_FIELDS = (
    "transcript",
    "transcript_object",
    "transcript_with_tool_calls",
    "scrubbed_transcript_with_tool_calls",
    "pre_session_transcript_with_tool_calls",
    "post_session_transcript_with_tool_calls",
    "scrubbed_pre_session_transcript_with_tool_calls",
    "scrubbed_post_session_transcript_with_tool_calls",
)
ANALYSIS = ("user_sentiment", "call_successful", "in_voicemail")
GRAMS = ("call_id", "batch_call_id", "from_number", "to_number")


def upgrade() -> None:
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == "sqlite"
    for index in ("call_by_start", "call_by_agent", "call_by_status", "call_by_reason", "call_by_end", "call_unfinished"):
        op.drop_index(index, "call")
    op.rename_table("call", "call_before")
    _create_call()
    _create_texts()
    if is_sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE call_gram USING fts5(call_id, batch_call_id, from_number, to_number, "
            "tokenize='trigram', content='', columnsize=0, detail=column)"
        )
    _move(bind, is_sqlite)
    op.drop_table("call_before")


def _create_call() -> None:
    call = op.create_table(
        "call",
        sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("call_id", _compared(64), nullable=False),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("sort_ms", sa.BigInteger, nullable=False),
        sa.Column("call_status", sa.String(16), nullable=False),
        sa.Column("call_type", sa.String(16), nullable=False),
        sa.Column("agent_id", sa.String(64), nullable=False),
        sa.Column("agent_version", sa.Integer, nullable=False),
        sa.Column("agent_tag", sa.Text),
        sa.Column("batch_call_id", _compared(64)),
        sa.Column("direction", sa.String(16)),
        sa.Column("from_number", _compared(128)),
        sa.Column("to_number", _compared(128)),
        sa.Column("disconnection_reason", sa.String(64)),
        sa.Column("user_sentiment", sa.String(16)),
        sa.Column("call_successful", sa.Boolean),
        sa.Column("in_voicemail", sa.Boolean),
        sa.Column("data_storage_setting", sa.String(32)),
        sa.Column("start_timestamp", sa.BigInteger),
        sa.Column("end_timestamp", sa.BigInteger),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("combined_cost", sa.Float),
        sa.Column("e2e_latency_p50", sa.Float),
        sa.Column("server", sa.String(64)),
    )
    op.create_index("call_by_id", "call", ["call_id"], unique=True)
    op.create_index("call_by_start", "call", ["org_id", "sort_ms", "row_id"])
    op.create_index("call_by_version", "call", ["org_id", "agent_id", "agent_version", "sort_ms", "row_id"])
    unfinished = sa.text("call_status IN ('registered', 'ongoing')")
    op.create_index(
        "call_unfinished", "call", ["call_status"], sqlite_where=unfinished, postgresql_where=unfinished
    )
    for name in ALWAYS_SET:
        op.create_index(f"call_by_{name}", "call", ["org_id", name, "sort_ms", "row_id"])
    for name in SOMETIMES_SET:
        is_set = call.c[name].is_not(None)
        columns = ["org_id", name, "sort_ms", "row_id"]
        op.create_index(f"call_by_{name}", "call", columns, sqlite_where=is_set, postgresql_where=is_set)


def _create_texts() -> None:
    op.create_table(
        "call_body",
        _row_id(),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("transcripts", sa.LargeBinary),
    )
    op.create_table(
        "call_attribute",
        _row_id(),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("text_value", _compared(200)),
        sa.Column("number_value", sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_index("call_attribute_by_text", "call_attribute", ["org_id", "kind", "key", "text_value", "row_id"])
    is_number = sa.text("number_value IS NOT NULL")
    op.create_index(
        "call_attribute_by_number",
        "call_attribute",
        ["org_id", "kind", "key", "number_value", "row_id"],
        sqlite_where=is_number,
        postgresql_where=is_number,
    )
    op.create_table(
        "call_tool",
        _row_id(),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("org_id", sa.String(64), sa.ForeignKey("org.org_id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text),
        sa.Column("latency_ms", sa.Float),
        sa.Column("is_successful", sa.Boolean),
        sqlite_with_rowid=False,
    )
    for name in ("name", "type", "latency_ms", "is_successful"):
        op.create_index(f"call_tool_by_{name}", "call_tool", ["org_id", name, "row_id"])
    op.add_column("call_tombstone", sa.Column("sort_ms", sa.BigInteger))
    op.add_column("call_tombstone", sa.Column("row_id", sa.BigInteger))


def _compared(size: int) -> sa.String:
    return sa.String(size).with_variant(sa.String(size, collation="C"), "postgresql")


def _row_id() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    reference = sa.ForeignKey("call.row_id", ondelete="CASCADE")
    return sa.Column("row_id", kind, reference, primary_key=True, autoincrement=False)


def _move(bind: sa.Connection, is_sqlite: bool) -> None:
    """Fill the tables, the oldest call first; one call at a time, for a million of them do not fit in memory."""
    ids = bind.execute(sa.text("SELECT call_id FROM call_before ORDER BY sort_ms, call_id")).scalars().all()
    for row_id, call_id in enumerate(ids, start=1):
        wanted = sa.text("SELECT body, server FROM call_before WHERE call_id = :call_id")
        body, server = bind.execute(wanted, {"call_id": call_id}).one()
        record = json.loads(body)
        call, org_id = record["call"], record["org_id"]
        transcripts = {name: call.pop(name) for name in TRANSCRIPT_FIELDS if name in call}
        columns = {"row_id": row_id, "server": server, **_columns(call, org_id, record["created_wall_ms"])}
        _insert(bind, "call", columns)
        packed = zlib.compress(_dumped(transcripts).encode(), 1) if transcripts else None
        _insert(bind, "call_body", {"row_id": row_id, "body": _dumped(record), "transcripts": packed})
        for attribute in _attributes(call):
            _insert(bind, "call_attribute", {"row_id": row_id, "org_id": org_id, **attribute})
        for tool in _tools(transcripts.get("transcript_with_tool_calls") or []):
            _insert(bind, "call_tool", {"row_id": row_id, "org_id": org_id, **tool})
        if is_sqlite:
            _insert(bind, "call_gram", {"rowid": row_id, **{name: columns[name] for name in GRAMS}})
    if not is_sqlite:
        bind.execute(sa.text("SELECT setval(pg_get_serial_sequence('call', 'row_id'), :next, false)"), {"next": len(ids) + 1})


def _insert(bind: sa.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' if name != "rowid" else name for name in row)
    bind.execute(sa.text(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(f":{name}" for name in row)})'), row)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _columns(call: dict[str, Any], org_id: str, created_ms: int) -> dict[str, Any]:
    started_ms = call.get("start_timestamp")
    return {
        "org_id": org_id,
        "sort_ms": created_ms if started_ms is None else started_ms,
        **{name: call.get(name) for name in SAME_NAME},
        **{name: (call.get("call_analysis") or {}).get(name) for name in ANALYSIS},
        "combined_cost": (call.get("call_cost") or {}).get("combined_cost"),
        "e2e_latency_p50": ((call.get("latency") or {}).get("e2e") or {}).get("p50"),
    }


def _attributes(call: dict[str, Any]) -> list[dict[str, Any]]:
    maps = {
        "metadata": call.get("metadata"),
        "dynamic_variables": call.get("retell_llm_dynamic_variables"),
        "custom_analysis_data": (call.get("call_analysis") or {}).get("custom_analysis_data"),
        "custom_attributes": call.get("custom_attributes"),
    }
    rows: list[dict[str, Any]] = []
    for kind, values in maps.items():
        present = [(key, value) for key, value in (values or {}).items() if value is not None]
        for key, value in [one for one in present if len(one[0]) <= 200][:100]:
            rows.append({"kind": kind, "key": key, "text_value": _text(value), "number_value": _number(value)})
    return rows


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if len(value) <= 200 else value[:136] + hashlib.sha256(value.encode()).hexdigest()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _tools(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    results = {item.get("tool_call_id"): item for item in items if item.get("role") == "tool_call_result"}
    invoked = [item for item in items if item.get("role") == "tool_call_invocation"]
    return [
        {
            "place": place,
            "name": item.get("name", ""),
            "type": item.get("type"),
            "is_successful": results.get(item.get("tool_call_id"), {}).get("successful"),
        }
        for place, item in enumerate(invoked)
    ]


def downgrade() -> None:
    raise NotImplementedError("transcripts would have to be joined again; restore a backup instead")
