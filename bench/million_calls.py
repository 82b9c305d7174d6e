"""Ended calls as they come in life: a minute or five of talk, twenty to thirty kilobytes of JSON, values to filter by.

The rows are made by the product's own functions. Only transcripts and latencies are taken from a pool.
"""

import random
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from retold.domain.call import Call, CallRecord
from retold.domain.call_parts import CallAnalysis, CallCost, ProductCost
from retold.domain.latency import CallLatency, stats
from retold.domain.reasons import CallStatus, DisconnectionReason
from retold.ids import DEFAULT_ORG_ID
from retold.storage.call_rows import CallRows, rows_of

FIRST_MS = 1_700_000_000_000
EVERY_MS = 20_000
"""A call starts about this long after the one before."""
DISTINCT = 400_000
"""So many calls are made; the ones after them repeat those with other ids and times, which takes a tenth as long."""
AGENTS, CUSTOMERS, BATCHES = 40, 50_000, 2_000
TRANSCRIPTS, LATENCIES = 200, 5_000
_SAID = "I would like to move the booking of Thursday because my flight is late thank you that helps a great deal"
_WORDS = _SAID.split()
_REASONS = (
    DisconnectionReason.USER_HANGUP,
    DisconnectionReason.AGENT_HANGUP,
    DisconnectionReason.INACTIVITY,
    DisconnectionReason.ERROR_LLM_WEBSOCKET_OPEN,
    DisconnectionReason.VOICEMAIL_REACHED,
)
_TOOLS = (("book_table", "custom"), ("find_order", "custom"), ("end_call", "end_call"))


class Talk(NamedTuple):
    """What was said in one of the pool's conversations: the fields of a call that hold it."""

    transcript: str
    transcript_object: list[dict[str, Any]]
    transcript_with_tool_calls: list[dict[str, Any]]


def call_of(number: int) -> CallRows:
    """The rows of one call; the same number gives the same call."""
    rng = random.Random(number)
    pooled = _pooled(rng.randrange(TRANSCRIPTS))
    rows = rows_of(_record(number, rng))
    return rows._replace(
        stored=rows.stored._replace(transcripts=pooled.stored.transcripts),
        tools=[{**tool, "latency_ms": round(rng.lognormvariate(6, 0.7), 1)} for tool in pooled.tools],
    )


@cache
def _pooled(number: int) -> CallRows:
    rng = random.Random(-number - 1)
    said = _talk(rng, utterances=rng.randrange(16, 28))
    record = _record(number, rng)
    return rows_of(record.model_copy(update={"call": record.call.model_copy(update=said._asdict())}))


def _talk(rng: random.Random, utterances: int) -> Talk:
    at_s = 0.5
    spoken: list[dict[str, Any]] = []
    with_tools: list[dict[str, Any]] = []
    for number in range(utterances):
        words: list[dict[str, Any]] = []
        for word in rng.choices(_WORDS, k=rng.randrange(4, 18)):
            words.append({"word": word, "start": round(at_s, 3), "end": round(at_s + 0.28, 3)})
            at_s += 0.36
        at_s += 1.2
        content = " ".join(word["word"] for word in words)
        spoken.append({"role": ("agent", "user")[number % 2], "content": content, "words": words})
        with_tools.append(spoken[-1])
        if number == utterances // 2 and rng.random() < 0.4:
            name, kind = rng.choice(_TOOLS)
            invoked = {"role": "tool_call_invocation", "tool_call_id": "tool_1", "name": name, "type": kind}
            result = {"role": "tool_call_result", "tool_call_id": "tool_1", "content": "done"}
            with_tools += [{**invoked, "arguments": '{"day":"Monday"}'}, {**result, "successful": rng.random() < 0.9}]
    lines = (f"{one['role'].capitalize()}: {one['content']}\n" for one in spoken)
    return Talk("".join(lines), spoken, with_tools)


def _record(number: int, rng: random.Random) -> CallRecord:
    started_ms = FIRST_MS + number * EVERY_MS + rng.randrange(EVERY_MS)
    duration_ms = int(rng.lognormvariate(12, 0.6))
    token = f"{rng.getrandbits(128):032x}"
    call = Call.model_validate(
        {
            "call_id": call_id(number),
            "call_status": CallStatus.ENDED if rng.random() < 0.97 else CallStatus.ERROR,
            "start_timestamp": started_ms,
            "end_timestamp": started_ms + duration_ms,
            "duration_ms": duration_ms,
            "disconnection_reason": rng.choices(_REASONS, (60, 30, 6, 3, 1))[0],
            **_parties(rng),
            **_maps(rng),
            **{name: f"/files/{token}/{file}" for name, file in _FILES},
            "latency": _latency(rng.randrange(LATENCIES)),
            "call_analysis": _analysis(rng),
            "call_cost": _cost(duration_ms),
        }
    )
    return CallRecord(
        call=call,
        org_id=DEFAULT_ORG_ID,
        created_wall_ms=started_ms - 900,
        join_deadline_wall_ms=started_ms + 29_100,
        files_token=token,
    )


def call_id(number: int) -> str:
    """The id of a call, which looks as random as all ids; that of a repetition is turned round by a digit."""
    turns, first = divmod(number - 1, DISTINCT)
    digits = f"{random.Random(f'id {first + 1}').getrandbits(108):027x}"
    return f"call_{digits[turns:]}{digits[:turns]}"


def numbered(first: int, last: int) -> Iterator[tuple[int, CallRows]]:
    """The rows of these calls by `row_id`, which counts from one; `last` belongs to them."""
    return ((number, call_of(number)) for number in range(first, last + 1))


_FILES = (
    ("recording_url", "recording.wav"),
    ("recording_multi_channel_url", "recording_multichannel.wav"),
    ("public_log_url", "public.log"),
)


def _parties(rng: random.Random) -> dict[str, Any]:
    agent = min(int(rng.expovariate(0.15)), AGENTS - 1)
    parties = {"agent_id": f"agent_{agent:026x}", "agent_name": f"Agent {agent}", "agent_version": rng.randrange(8)}
    if rng.random() < 0.3:
        parties["agent_tag"] = rng.choice(("production", "staging", "trial"))
    if rng.random() < 0.4:
        return parties | {"call_type": "web_call", "data_storage_setting": "everything"}
    ours, theirs = f"+1415555{rng.randrange(50):04}", f"+1{rng.randrange(2_010_000_000, 9_990_000_000)}"
    is_inbound = rng.random() < 0.5
    parties |= {"call_type": "phone_call", "direction": "inbound" if is_inbound else "outbound"}
    parties |= dict(zip(("from_number", "to_number"), (theirs, ours) if is_inbound else (ours, theirs), strict=True))
    if not is_inbound and rng.random() < 0.5:
        parties["batch_call_id"] = f"batch_call_{rng.randrange(BATCHES):016x}"
    return parties


def _maps(rng: random.Random) -> dict[str, Any]:
    customer = rng.randrange(CUSTOMERS)
    metadata: dict[str, Any] = {"customer_id": f"cus_{customer:08}", "tier": rng.choices(_TIERS, (70, 25, 5))[0]}
    metadata |= {"order_value": rng.randrange(1_000), "is_returning": rng.random() < 0.6}
    if rng.random() < 0.02:
        metadata["escalated_to"] = rng.choice(("anna", "bob"))
    variables = {"customer_name": f"{rng.choice(_NAMES)} {customer % 997}", "city": rng.choice(_CITIES)}
    return {
        "metadata": metadata,
        "retell_llm_dynamic_variables": variables | {"open_orders": str(rng.randrange(5))},
        "custom_attributes": {"campaign": f"campaign_{rng.randrange(30)}"},
    }


_TIERS = ("basic", "silver", "gold")
_NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Alan", "Margaret")
_CITIES = ("Paris", "Oslo", "Lagos", "Lima", "Pune", "Osaka")


@cache
def _latency(number: int) -> CallLatency:
    rng = random.Random(f"latency {number}")
    kinds = ("e2e", "asr", "llm", "tts")
    return CallLatency(**{kind: stats([rng.lognormvariate(6.6, 0.3) for _ in range(12)]) for kind in kinds})


def _analysis(rng: random.Random) -> CallAnalysis:
    return CallAnalysis(
        call_summary="The caller asked to move a booking; the agent found it, moved it and read the new time back.",
        call_successful=rng.random() < 0.8,
        user_sentiment=rng.choices(("Neutral", "Positive", "Negative", "Unknown"), (50, 35, 12, 3))[0],
        in_voicemail=rng.random() < 0.01,
        custom_analysis_data={"score": rng.randrange(11), "topic": rng.choice(("booking", "refund", "delivery"))},
    )


def _cost(duration_ms: int) -> CallCost:
    seconds = duration_ms // 1000
    product = ProductCost(product="scripted", cost=round(seconds * 0.1, 2), unit_price=0.1)
    return CallCost(
        combined_cost=product.cost,
        product_costs=[product],
        total_duration_seconds=seconds,
        total_duration_unit_price=0.1,
    )
