"""Calls with something to find in every field, and the plainest reading of list-calls v3 filters."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from retold.storage.call_json import StoredCall
from retold.storage.call_rows import CallRows, attributes, columns, tools
from support.stored import BORN_MS, make_record

_STATUSES = ("registered", "ongoing", "ended", "ended", "ended", "error", "not_connected")
_REASONS = ("user_hangup", "agent_hangup", "error_asr", "dial_busy", "inactivity")
_TEXTS = ("Anna", "anna", "Bob", 'O"Neil', "Łukasz", "x" * 250, "42", "", "100%_")


def random_call(rng: random.Random, number: int) -> dict[str, Any]:
    """A call as the API shows it; starts repeat, and any field may be missing."""
    started_ms = BORN_MS + rng.randrange(40) * 1_000
    shape: dict[str, Any] = {
        "call_id": f"call_{rng.getrandbits(108):027x}",
        "agent_id": rng.choice(("agent_a", "agent_b")),
        "agent_version": rng.randrange(3),
        "call_type": rng.choice(("web_call", "phone_call")),
        "call_status": rng.choice(_STATUSES),
    }
    perhaps: dict[str, Any] = {
        "agent_tag": rng.choice(("prod", "staging")),
        "batch_call_id": f"batch_call_{rng.randrange(4)}",
        "direction": rng.choice(("inbound", "outbound")),
        "from_number": f"+1415555{rng.randrange(100):04}",
        "to_number": rng.choice((f"+1212555{rng.randrange(10_000):04}", "sip:desk@example.com")),
        "disconnection_reason": rng.choice(_REASONS),
        "data_storage_setting": rng.choice(("everything", "basic_attributes_only")),
        "start_timestamp": started_ms,
        "end_timestamp": started_ms + rng.randrange(10) * 500,
        "duration_ms": rng.randrange(10) * 500,
        "call_cost": {"combined_cost": rng.randrange(8) / 4},
        "latency": {"e2e": {"p50": rng.randrange(500, 900, 50) + 0.5}},
        "call_analysis": {
            "user_sentiment": rng.choice(("Positive", "Negative")),
            "call_successful": rng.random() < 0.5,
            "in_voicemail": rng.random() < 0.2,
            "custom_analysis_data": {"score": rng.randrange(10), "topics": ["a"]},
        },
        "metadata": {"number": number, "tier": rng.choice(("gold", "tin")), "is_vip": rng.random() < 0.3, "gone": None},
        "retell_llm_dynamic_variables": {"name": rng.choice(_TEXTS), "age": str(rng.randrange(50))},
        "custom_attributes": {"campaign": rng.choice(("spring", "autumn")), "size": rng.randrange(5) + 0.5},
    }
    return shape | {name: value for name, value in perhaps.items() if rng.random() < 0.8}


def random_items(rng: random.Random) -> list[dict[str, Any]]:
    """A transcript with tool calls, of none, one or two of them."""
    items: list[dict[str, Any]] = []
    for number in range(rng.randrange(3)):
        invoked = {"role": "tool_call_invocation", "tool_call_id": f"tool_{number}", "arguments": "{}"}
        result = {"role": "tool_call_result", "tool_call_id": f"tool_{number}", "content": ""}
        items.append(invoked | {"name": rng.choice(("book", "look")), "type": rng.choice(("custom", "end_call"))})
        items.append(result | ({"successful": rng.random() < 0.5} if rng.random() < 0.8 else {}))
    return items


def rows_for(call: dict[str, Any], items: Sequence[Mapping[str, Any]], org_id: str) -> CallRows:
    """The rows of a call that is given as JSON; its tools took 100 ms, 200 ms and so on."""
    record = make_record()
    took_ms = {f"tool_{number}": (number + 1) * 100.0 for number in range(3)}
    return CallRows(
        columns(call, org_id, record.created_wall_ms),
        StoredCall("", None),
        list(attributes(call, org_id)),
        list(tools(items, org_id, took_ms)),
    )


_FLAT = {
    "user_sentiment": ("call_analysis", "user_sentiment"),
    "call_successful": ("call_analysis", "call_successful"),
    "in_voicemail": ("call_analysis", "in_voicemail"),
    "combined_cost": ("call_cost", "combined_cost"),
    "e2e_latency_p50": ("latency", "e2e", "p50"),
}
_MAPS = {
    "metadata": ("metadata",),
    "dynamic_variables": ("retell_llm_dynamic_variables",),
    "custom_analysis_data": ("call_analysis", "custom_analysis_data"),
    "custom_attributes": ("custom_attributes",),
}


def matches(criteria: Mapping[str, Any], call: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all filters hold for a call."""
    return all(_matches_one(name, wanted, call, items) for name, wanted in criteria.items())


def _matches_one(name: str, wanted: Any, call: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> bool:
    if name == "agent":
        return any(
            one["agent_id"] == call["agent_id"]
            and call["agent_version"] in (one.get("version") or [call["agent_version"]])
            for one in wanted
        )
    if name in _MAPS:
        return all(_holds(_at(call, (*_MAPS[name], one["key"])), one) for one in wanted)
    if name == "tool_calls":
        return all(any(_is_tool(one, used) for used in rows_for({**call}, items, "").tools) for one in wanted)
    return _holds(_at(call, _FLAT.get(name, (name,))), wanted)


def _at(call: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = call
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_tool(wanted: Mapping[str, Any], used: Mapping[str, Any]) -> bool:
    return (
        wanted.get("name") in {None, used["name"]}
        and wanted.get("type") in {None, used["type"]}
        and ("latency_ms" not in wanted or _holds(used["latency_ms"], wanted["latency_ms"]))
        and ("success" not in wanted or used["is_successful"] == wanted["success"]["value"])
    )


def _holds(value: Any, wanted: Mapping[str, Any]) -> bool:  # noqa: PLR0911 - one line for each kind
    kind, op = wanted["type"], wanted["op"]
    sought: Any = wanted.get("value")
    if kind == "present":
        return (value is not None) == (op == "pr")
    if value is None:
        return False
    if kind in {"number", "range"}:
        number = _number(value)
        if number is None:
            return False
        low, high = sought if kind == "range" else (sought, sought)
        answers = {"bt": low <= number <= high, "eq": number == low, "ne": number != low, "gt": number > low}
        return (answers | {"ge": number >= low, "lt": number < low, "le": number <= low})[op]
    if isinstance(value, list | dict):
        return False
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "boolean":
        return text == str(sought).lower()
    if op == "in":
        return text in sought
    answers = {"eq": text == sought, "ne": text != sought, "sw": text.startswith(sought)}
    return (answers | {"ew": text.endswith(sought), "co": sought in text})[op]


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool | list) else float(value)
    except ValueError:
        return None
