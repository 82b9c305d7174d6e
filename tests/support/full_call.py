"""A finished call with every optional field filled, put into a data folder before its server starts."""

from pathlib import Path
from typing import Any, Literal

from retold.clock import SystemClock
from retold.domain.call import Call, CallRecord
from retold.domain.latency import stats
from retold.ids import DEFAULT_ORG_ID, new_path_token
from retold.storage.store import Store
from support.database import database_url

FILES_TOKEN = new_path_token()
START_MS = 1_760_000_000_000
POINTS_MS = (420.0, 655.5, 1010.25)

BACKUP_MODEL = {
    "model": "gpt-4.1-mini",
    "primary_model": "gpt-4.1",
    "backup_model": "gpt-4.1-mini",
    "reason": "primary_failed",
    "selection_latency_ms": 312.5,
    "primary_ready_ms": 700,
    "backup_ready_ms": 312.5,
}
UTTERANCES: list[dict[str, Any]] = [
    {"role": "agent", "content": "Hello.", "words": [{"word": "Hello.", "start": 0.1, "end": 0.52}]},
    {"role": "user", "content": "(unintelligible audio)", "words": []},
]
"""What every generation knows."""
TOOL_RUN: list[dict[str, Any]] = [
    {"role": "tool_call_invocation", "tool_call_id": "t1", "name": "book", "arguments": '{"day":"Monday"}'},
    {"role": "tool_call_result", "tool_call_id": "t1", "content": "booked"},
]
EVERYTHING_SAID: list[dict[str, Any]] = [
    {
        **UTTERANCES[0],
        "metadata": {"response_id": 1, "interrupt_id": 2, "is_backchannel": False, "backup_model_used": BACKUP_MODEL},
    },
    {**UTTERANCES[1], "role": "transfer_target"},
    {
        **TOOL_RUN[0],
        "type": "custom",
        "thought_signature": "c2lnbmVk",
        "metadata": {"backup_model_used": BACKUP_MODEL},
    },
    {**TOOL_RUN[1], "successful": True},
    {"role": "dtmf", "digit": "#"},
    {
        "role": "node_transition",
        "former_node_id": "n1",
        "former_node_name": "ask",
        "new_node_id": "n2",
        "new_node_name": "book",
        "transition_type": "global",
    },
    {
        "role": "sms",
        "content": "See you.",
        "time_sec": 3.5,
        "multimedia": [{"url": "https://media.example.com/1.png", "summary": "a map"}],
    },
    {"role": "injected", "content": "The customer is in a hurry.", "time_sec": 4.25},
]
"""Every kind of transcript item of the newest client, with every field."""
TIMES = {
    kind: stats(POINTS_MS)
    for kind in ("e2e", "asr", "llm", "llm_websocket_network_rtt", "tts", "knowledge_base", "s2s")
}

Vintage = Literal["2024", "newest"]


def full_call(call_id: str, call_type: Literal["web_call", "phone_call"], vintage: Vintage) -> Call:
    """Every field filled; of vintage 2024 with such values only as all generations know."""
    woven = [*UTTERANCES, *TOOL_RUN] if vintage == "2024" else EVERYTHING_SAID
    kind = PHONE if call_type == "phone_call" else WEB
    return Call.model_validate(
        {"call_id": call_id, "call_type": call_type, **KNOWN, **_said(woven), **_files(), **kind}
    )


PHONE: dict[str, Any] = {
    "from_number": "+14155550100",
    "to_number": "+14155550101",
    "direction": "inbound",
    "telephony_identifier": {"twilio_call_sid": "CA5d0"},
    "transfer_destination": "+14155550102",
}
WEB: dict[str, Any] = {
    "access_token": "token_0123456789",
    "transfer_destination": "sip:desk@example.com;transport=tls",
}
KNOWN: dict[str, Any] = {
    "agent_id": "agent_full",
    "agent_version": 3,
    "agent_name": "Ada",
    "agent_tag": "production",
    "call_status": "ended",
    "metadata": {"customer": "c1", "deep": {"list": [1, 2.5, None, True]}},
    "custom_attributes": {"score": 7, "vip": True, "note": "x"},
    "retell_llm_dynamic_variables": {"name": "Ann"},
    "collected_dynamic_variables": {"day": "Monday"},
    "custom_sip_headers": {"x-customer": "c1"},
    "data_storage_setting": "everything",
    "opt_in_signed_url": True,
    "start_timestamp": START_MS,
    "end_timestamp": START_MS + 61_500,
    "transfer_end_timestamp": START_MS + 90_000,
    "duration_ms": 61_500,
    "latency": TIMES,
    "e2e_latency": TIMES["e2e"],
    "llm_latency": TIMES["llm"],
    "llm_websocket_network_rtt_latency": TIMES["llm_websocket_network_rtt"],
    "disconnection_reason": "call_transfer",
    "call_analysis": {
        "call_summary": "An appointment was made.",
        "call_successful": True,
        "user_sentiment": "Positive",
        "in_voicemail": False,
        "custom_analysis_data": {"day": "Monday", "people": 2},
    },
    "call_cost": {
        "combined_cost": 12.5,
        "total_duration_seconds": 62,
        "total_duration_unit_price": 0.2,
        "product_costs": [{"product": "elevenlabs_tts", "cost": 7, "unit_price": 0.11, "is_transfer_leg_cost": False}],
    },
    "llm_token_usage": {"values": [812, 944.5], "average": 878.25, "num_requests": 2},
}


def _said(woven: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "transcript": "Agent: Hello.\nUser: (unintelligible audio)\n",
        "transcript_object": [item for item in woven if "words" in item],
        "transcript_with_tool_calls": woven,
        "scrubbed_transcript_with_tool_calls": woven,
        "pre_session_transcript_with_tool_calls": woven,
        "post_session_transcript_with_tool_calls": woven,
        "scrubbed_pre_session_transcript_with_tool_calls": woven,
        "scrubbed_post_session_transcript_with_tool_calls": woven,
    }


def _files() -> dict[str, str]:
    folder = f"/files/{FILES_TOKEN}"
    return {
        "recording_url": f"{folder}/recording.wav",
        "recording_multi_channel_url": f"{folder}/recording_multi_channel.wav",
        "scrubbed_recording_url": f"{folder}/scrubbed_recording.wav",
        "scrubbed_recording_multi_channel_url": f"{folder}/scrubbed_recording_multi_channel.wav",
        "public_log_url": f"{folder}/public_log.txt",
        "knowledge_base_retrieved_contents_url": f"{folder}/knowledge.txt",
    }


async def put_calls(data_dir: Path, *calls: Call) -> None:
    """Write the calls as rows that ended; no server runs on the folder meanwhile."""
    store = await Store.open(data_dir, clock=SystemClock(), database_url=database_url(data_dir))
    try:
        for call in calls:
            await store.create_call(
                CallRecord(
                    call=call,
                    org_id=DEFAULT_ORG_ID,
                    created_wall_ms=START_MS - 2_000,
                    join_deadline_wall_ms=START_MS + 28_000,
                    files_token=FILES_TOKEN,
                )
            )
    finally:
        await store.close()
