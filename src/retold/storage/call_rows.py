"""What of a call goes into which table: the typed columns, the keyed values, the tools, the texts.

It is taken from the JSON that is stored, so what a reader of the call sees is what finds it.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from retold.domain.call import CallRecord
from retold.domain.call_query import CallKeys
from retold.storage.call_json import StoredCall, stored_call

MAX_KEYS: Final = 100
"""Keys of one map by which a call can be found: its first ones."""
MAX_KEY_CHARS: Final = 200
MAX_VALUE_CHARS: Final = 200
"""A longer text is found whole and by its beginning only."""
_KEPT_CHARS: Final = 136

_FIELD_OF: Final = {
    CallKeys.METADATA: "metadata",
    CallKeys.DYNAMIC_VARIABLES: "retell_llm_dynamic_variables",
    CallKeys.CUSTOM_ANALYSIS_DATA: "custom_analysis_data",
    CallKeys.CUSTOM_ATTRIBUTES: "custom_attributes",
}


class CallRows(NamedTuple):
    """The rows of one call, but for its `row_id`."""

    call: dict[str, Any]
    stored: StoredCall
    attributes: list[dict[str, Any]]
    tools: list[dict[str, Any]]


def rows_of(record: CallRecord) -> CallRows:
    """All rows of a call."""
    stored = stored_call(record)
    call: dict[str, Any] = orjson.loads(stored.body)["call"]
    return CallRows(
        {**columns(call, record.org_id, record.created_wall_ms), "erase_after_ms": record.erase_after_ms},
        stored,
        list(attributes(call, record.org_id)),
        list(tools(record.call.transcript_with_tool_calls or (), record.org_id, record.tool_latencies_ms)),
    )


def columns(call: Mapping[str, Any], org_id: str, created_ms: int) -> dict[str, Any]:
    """The typed columns of a call as the API shows it."""
    analysis: Mapping[str, Any] = call.get("call_analysis") or {}
    cost: Mapping[str, Any] = call.get("call_cost") or {}
    latency: Mapping[str, Any] = call.get("latency") or {}
    started_ms = call.get("start_timestamp")
    return {
        "org_id": org_id,
        "sort_ms": created_ms if started_ms is None else started_ms,
        **{name: call.get(name) for name in _SAME_NAME},
        "user_sentiment": analysis.get("user_sentiment"),
        "call_successful": analysis.get("call_successful"),
        "in_voicemail": analysis.get("in_voicemail"),
        "combined_cost": cost.get("combined_cost"),
        "e2e_latency_p50": (latency.get("e2e") or {}).get("p50"),
    }


_SAME_NAME: Final = (
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


def attributes(call: Mapping[str, Any], org_id: str) -> Iterator[dict[str, Any]]:
    """A row for each key by which the call can be found."""
    holders = {CallKeys.CUSTOM_ANALYSIS_DATA: call.get("call_analysis") or {}}
    for kind, name in _FIELD_OF.items():
        values: Mapping[str, Any] = holders.get(kind, call).get(name) or {}
        present = [(key, value) for key, value in values.items() if value is not None and len(key) <= MAX_KEY_CHARS]
        for key, value in present[:MAX_KEYS]:
            yield {
                "kind": kind.value,
                "key": key,
                "org_id": org_id,
                "text_value": as_text(value),
                "number_value": as_number(value),
            }


def as_text(value: object) -> str | None:
    """A value as the text that is searched for: 5 is "5", yes is "true", a list or an object has none."""
    match value:
        case str():
            return value if len(value) <= MAX_VALUE_CHARS else _shortened(value)
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return None


def as_number(value: object) -> float | None:
    """A value as a number, if it is one; dynamic variables are texts, and "42" counts as 42."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        # Python reads numbers out of more texts than people do.
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _shortened(value: str) -> str:
    return value[:_KEPT_CHARS] + hashlib.sha256(value.encode()).hexdigest()


def tools(
    items: Sequence[Mapping[str, Any]], org_id: str, latencies_ms: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """A row for each tool that was used, from a transcript with tool calls; latencies by `tool_call_id`."""
    results = {item.get("tool_call_id"): item for item in items if item.get("role") == "tool_call_result"}
    invocations = (item for item in items if item.get("role") == "tool_call_invocation")
    for place, item in enumerate(invocations):
        result = results.get(item.get("tool_call_id"), {})
        yield {
            "place": place,
            "org_id": org_id,
            "name": item.get("name", ""),
            "type": item.get("type"),
            "latency_ms": latencies_ms.get(item.get("tool_call_id", "")),
            "is_successful": result.get("successful"),
        }
