"""What list-calls is asked for: every filter of v3 with frequent and rare values, ten mixtures, keyed values."""

from random import Random
from typing import Any

from million_calls import AGENTS, BATCHES, CUSTOMERS, EVERY_MS, FIRST_MS, call_id

Criteria = dict[str, Any]


def single(calls: int, rng: Random) -> dict[str, Criteria]:
    """One filter each, by name."""
    return _of_texts(calls, rng) | _of_choices() | _of_numbers(calls) | _of_tools()


def _of_texts(calls: int, rng: Random) -> dict[str, Criteria]:
    any_id = call_id(rng.randrange(1, calls + 1))
    return {
        "agent, frequent": {"agent": [_agent(0)]},
        "agent, rare": {"agent": [_agent(AGENTS - 10)]},
        "agent and version": {"agent": [_agent(1) | {"version": [3]}]},
        "three agents": {"agent": [_agent(2), _agent(7) | {"version": [1, 2]}, _agent(15)]},
        "agent_tag": {"agent_tag": one_of("trial")},
        "call_id eq": {"call_id": text("eq", any_id)},
        "call_id sw": {"call_id": text("sw", any_id[:9])},
        "call_id co, 3 digits": {"call_id": text("co", any_id[10:13])},
        "call_id co, 6 digits": {"call_id": text("co", any_id[10:16])},
        "call_id ew": {"call_id": text("ew", any_id[-5:])},
        "call_id co, none": {"call_id": text("co", "xyz")},
        "batch_call_id eq": {"batch_call_id": text("eq", f"batch_call_{rng.randrange(BATCHES):016x}")},
        "batch_call_id ew": {"batch_call_id": text("ew", f"{rng.randrange(BATCHES):03x}")},
        "from_number eq, one of ours": {"from_number": text("eq", "+14155550007")},
        "from_number sw": {"from_number": text("sw", f"+1{rng.randrange(201, 999)}")},
        "from_number sw, half of all": {"from_number": text("sw", "+1")},
        "from_number co": {"from_number": text("co", f"{rng.randrange(1000, 9999)}")},
        "from_number ne": {"from_number": text("ne", "+14155550007")},
        "to_number ew": {"to_number": text("ew", f"{rng.randrange(1000, 9999)}")},
        "to_number ew, 2 digits": {"to_number": text("ew", f"{rng.randrange(10, 99)}")},
    }


def _of_choices() -> dict[str, Criteria]:
    return {
        "call_status ended": {"call_status": one_of("ended")},
        "call_status error": {"call_status": one_of("error")},
        "call_status, two": {"call_status": one_of("error", "not_connected")},
        "call_status, none": {"call_status": one_of("ongoing")},
        "call_type": {"call_type": one_of("web_call")},
        "direction": {"direction": one_of("inbound")},
        "disconnection_reason, two": {"disconnection_reason": one_of("user_hangup", "inactivity")},
        "disconnection_reason, rare": {"disconnection_reason": one_of("voicemail_reached")},
        "user_sentiment, rare": {"user_sentiment": one_of("Unknown")},
        "user_sentiment, two": {"user_sentiment": one_of("Positive", "Negative")},
        "data_storage_setting": {"data_storage_setting": one_of("everything")},
        "call_successful": {"call_successful": yes_or_no(value=False)},
        "in_voicemail": {"in_voicemail": yes_or_no(value=True)},
    }


def _of_numbers(calls: int) -> dict[str, Criteria]:
    middle_ms = FIRST_MS + calls * EVERY_MS // 2
    early_ms = FIRST_MS + calls * EVERY_MS // 50
    return {
        "start_timestamp, a day in the middle": {"start_timestamp": between(middle_ms, middle_ms + 86_400_000)},
        "start_timestamp lt, far back": {"start_timestamp": number("lt", early_ms)},
        "end_timestamp, a day in the middle": {"end_timestamp": between(middle_ms, middle_ms + 86_400_000)},
        "end_timestamp lt, far back": {"end_timestamp": number("lt", early_ms)},
        "end_timestamp ge, the newer half": {"end_timestamp": number("ge", middle_ms)},
        "duration_ms gt, few": {"duration_ms": number("gt", 900_000)},
        "duration_ms lt, half": {"duration_ms": number("lt", 160_000)},
        "combined_cost, a twentieth": {"combined_cost": between(20, 21)},
        "combined_cost gt, none": {"combined_cost": number("gt", 1e9)},
        "e2e_latency_p50 gt, a tenth": {"e2e_latency_p50": number("gt", 830)},
    }


def _of_tools() -> dict[str, Criteria]:
    return {
        "tool_calls by name": {"tool_calls": [{"name": "book_table"}]},
        "tool_calls by name and success": {"tool_calls": [{"name": "find_order", "success": yes_or_no(value=False)}]},
        "tool_calls by latency, few": {"tool_calls": [{"latency_ms": number("gt", 3_000)}]},
        "tool_calls by latency, half": {"tool_calls": [{"latency_ms": number("lt", 400)}]},
    }


def mixed(calls: int, rng: Random) -> dict[str, Criteria]:
    """Several filters together."""
    middle_ms = FIRST_MS + calls * EVERY_MS // 2
    bad = {"call_successful": yes_or_no(value=False), "user_sentiment": one_of("Negative")}
    return {
        "agent, failed": {"agent": [_agent(3)], "call_successful": yes_or_no(value=False)},
        "failed and negative": bad,
        "failed, negative, long": bad | {"duration_ms": number("gt", 600_000)},
        "agent and month": {"agent": [_agent(5)], "start_timestamp": between(middle_ms, middle_ms + 30 * 86_400_000)},
        "inbound to one of ours, error": {
            "direction": one_of("inbound"),
            "to_number": text("eq", "+14155550011"),
            "call_status": one_of("error"),
        },
        "slow and costly": {"e2e_latency_p50": number("gt", 800), "combined_cost": number("gt", 40)},
        "gold customers, negative": {**keyed("metadata", "tier", text("eq", "gold")), **bad},
        "number ends so, unsuccessful": {
            "from_number": text("ew", f"{rng.randrange(100, 999)}"),
            "call_successful": yes_or_no(value=False),
        },
        "tool failed, inbound": {
            "tool_calls": [{"name": "book_table", "success": yes_or_no(value=False)}],
            "direction": one_of("inbound"),
        },
        "two that never meet": {"call_type": one_of("web_call"), "direction": one_of("inbound")},
    }


def by_key(calls: int, rng: Random) -> dict[str, Criteria]:
    """Filters of metadata, dynamic variables and the other maps."""
    customer = f"cus_{rng.randrange(CUSTOMERS):08}"
    _ = calls
    return {
        "metadata eq, one customer": keyed("metadata", "customer_id", text("eq", customer)),
        "metadata sw": keyed("metadata", "customer_id", text("sw", customer[:9])),
        "metadata co": keyed("metadata", "customer_id", text("co", customer[-4:])),
        "metadata co, none": keyed("metadata", "customer_id", text("co", "nobody")),
        "metadata ew": keyed("metadata", "customer_id", text("ew", customer[-4:])),
        "metadata ne": keyed("metadata", "tier", text("ne", "basic")),
        "metadata eq, a twentieth": keyed("metadata", "tier", text("eq", "gold")),
        "metadata in": keyed("metadata", "tier", one_of("gold", "silver")),
        "metadata number, half": keyed("metadata", "order_value", number("gt", 500)),
        "metadata number, few": keyed("metadata", "order_value", between(500, 501)),
        "metadata yes": keyed("metadata", "is_returning", yes_or_no(value=True)),
        "metadata pr, rare": keyed("metadata", "escalated_to", PRESENT),
        "metadata np": keyed("metadata", "escalated_to", ABSENT),
        "metadata np, none": keyed("metadata", "customer_id", ABSENT),
        "variable eq": keyed("dynamic_variables", "customer_name", text("eq", f"Ada {rng.randrange(997)}")),
        "variable eq, a sixth": keyed("dynamic_variables", "city", text("eq", "Oslo")),
        "variable co": keyed("dynamic_variables", "customer_name", text("co", f"et {rng.randrange(997)}")),
        "variable number": keyed("dynamic_variables", "open_orders", number("ge", 3)),
        "custom attribute eq": keyed("custom_attributes", "campaign", text("eq", "campaign_7")),
        "analysis number": keyed("custom_analysis_data", "score", number("ge", 9)),
    }


def text(op: str, value: str) -> Criteria:
    """A filter of texts."""
    return {"type": "string", "op": op, "value": value}


def number(op: str, value: float) -> Criteria:
    """A filter of numbers."""
    return {"type": "number", "op": op, "value": value}


def between(low: float, high: float) -> Criteria:
    """A range."""
    return {"type": "range", "op": "bt", "value": [low, high]}


def yes_or_no(*, value: bool) -> Criteria:
    """A flag."""
    return {"type": "boolean", "op": "eq", "value": value}


def one_of(*values: str) -> Criteria:
    """A choice."""
    return {"type": "enum", "op": "in", "value": list(values)}


def keyed(keys: str, key: str, test: Criteria) -> Criteria:
    """A test of the value under a key."""
    return {keys: [{"key": key, **test}]}


PRESENT: Criteria = {"type": "present", "op": "pr"}
ABSENT: Criteria = {"type": "present", "op": "np"}


def _agent(number: int) -> Criteria:
    return {"agent_id": f"agent_{number:026x}"}
