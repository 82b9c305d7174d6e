"""A whole call whose agent asks a web service, a calendar and a provider of text messages, one after the other."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from retold.domain.webhook_signature import sign
from support.cal_com import EVENT_TYPE, KEY, CalCom
from support.customer import customer_of
from support.patience import PATIENCE_S
from support.server import TEST_KEY, running_server
from support.web_server import WebRequest, answer, web_server

pytestmark = pytest.mark.anyio

DAYS = {"start_date": "2026-03-28", "end_date": "2026-03-28"}
BOOKING = {"time": "2026-03-28T09:00-07:00", "name": "Ada King", "email": "ada@example.com"}
SCRIPT: dict[str, Any] = {
    "rules": [
        {"when": {"after_tool": "order"}, "steps": [{"use": "days", "arguments": DAYS}]},
        {"when": {"after_tool": "days"}, "steps": [{"use": "book", "arguments": BOOKING}]},
        {"when": {"after_tool": "book"}, "steps": [{"use": "text"}]},
        {"when": {"after_tool": "text"}, "steps": [{"use": "inside"}]},
        {"when": {"after_tool": "inside"}, "steps": [{"say": "All is done. "}, {"use": "bye"}]},
        {"steps": [{"say": "One moment. "}, {"use": "order", "arguments": {"guests": 2}}]},
    ]
}


def llm_with_tools(url: str) -> dict[str, Any]:
    calendar = {"cal_api_key": KEY, "event_type_id": EVENT_TYPE, "timezone": "America/Los_Angeles"}
    sms = {"type": "predefined", "text": "Table {{table}}, {{name}}"}
    to = {"type": "phone_number", "phone_number": "+14157774444"}
    return {
        "start_speaker": "agent",
        "general_prompt": "You take orders.",
        "general_tools": [
            {
                "type": "custom",
                "name": "order",
                "url": f"{url}/{{{{shop}}}}",
                "parameters": {"type": "object", "properties": {"guests": {"type": "integer"}}},
                "response_variables": {"table": "$.table"},
            },
            {"type": "check_availability_cal", "name": "days", **calendar},
            {"type": "book_appointment_cal", "name": "book", **calendar},
            {"type": "send_sms", "name": "text", "sms_content": sms, "sms_destination": to},
            {"type": "custom", "name": "inside", "url": "http://169.254.169.254/latest/meta-data/"},
            {"type": "end_call", "name": "bye"},
        ],
    }


async def test_each_tool_is_run_and_stands_in_the_record(tmp_path: Path) -> None:
    cal = CalCom()

    def respond(request: WebRequest) -> bytes:
        if request.path.startswith("/v2/"):
            return cal.respond(request)
        return answer({"table": 4} if request.path == "/tea%20room" else {"id": "sms_1"})

    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    async with web_server(respond) as web:
        env = {
            "RETOLD_LLM__PROVIDER": "scripted",
            "RETOLD_LLM__SCRIPT": str(script),
            "RETOLD_ALLOW_PRIVATE_HOSTS": "127.0.0.1",
            "RETOLD_CAL__BASE_URL": web.url,
            "RETOLD_SMS__URL": f"{web.url}/sms",
            "RETOLD_SMS__API_KEY": "secret",
            "RETOLD_SMS__FROM_NUMBER": "+14155550199",
        }
        # In a thread: this loop serves the tools meanwhile.
        server_runs = running_server(tmp_path / "data", env=env)
        server = await anyio.to_thread.run_sync(server_runs.__enter__)
        try:
            async with customer_of(server) as customer:
                llm = await customer.post("/create-retell-llm", llm_with_tools(web.url))
                engine = {"type": "retell-llm", "llm_id": llm["llm_id"]}
                agent = await customer.post("/create-agent", {"voice_id": "default", "response_engine": engine})
                variables = {"shop": "tea room", "name": "Zoë"}
                call_id = await customer.make_web_call(agent["agent_id"], retell_llm_dynamic_variables=variables)
                async with customer.joined(call_id):
                    call = await customer.until(call_id, timeout_s=PATIENCE_S)
        finally:
            await anyio.to_thread.run_sync(server_runs.__exit__, None, None, None)
    items = call["transcript_with_tool_calls"]
    used = {item["tool_call_id"]: item for item in items if item["role"] == "tool_call_invocation"}
    gave = {used[item["tool_call_id"]]["name"]: item for item in items if item["role"] == "tool_call_result"}
    assert {name: item["successful"] for name, item in gave.items()} == {
        "order": True, "days": True, "book": True, "text": True, "inside": False, "bye": True
    }  # fmt: skip
    assert "169.254" not in gave["inside"]["content"]
    assert call["collected_dynamic_variables"] == {"table": "4"}
    assert list(cal.booked) == ["2026-03-28T16:00:00Z"]
    order, *_, sms = web.requests
    assert order.json["args"] == {"guests": 2}
    assert order.json["call"]["transcript_with_tool_calls"][-1]["name"] == "order"
    [sent_ms] = [part.removeprefix("v=") for part in order.headers["x-retell-signature"].split(",") if part[0] == "v"]
    assert order.headers["x-retell-signature"] == sign(order.body, TEST_KEY, int(sent_ms))
    assert (sms.json["text"], sms.json["from"], sms.json["to"]) == ("Table 4, Zoë", "+14155550199", "+14157774444")
