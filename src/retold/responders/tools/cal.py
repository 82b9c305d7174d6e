"""The tools check_availability_cal and book_appointment_cal: a calendar at Cal.com, or one that speaks its API."""

from datetime import tzinfo
from http import HTTPStatus
from typing import Any, Final

from retold.clock import find_zone
from retold.domain import cal_com, json_text
from retold.domain.dialogue import ToolUse
from retold.domain.http_answer import HttpAnswer
from retold.domain.llm_tools import CalComTool
from retold.domain.system_variables import DEFAULT_ZONE
from retold.domain.tool_arguments import fault_in
from retold.domain.tool_specs import parameters_of
from retold.domain.variables import text_of
from retold.errors import OutboundError
from retold.responders.tools.context import ToolContext
from retold.responders.tools.result import ToolResult
from retold.responders.tools.unanswered import unanswered

TIMEOUT_S: Final = 30.0
_MAX_ANSWER_BYTES: Final = 1 << 20
_NO_TIME: Final = "No time is free from {start_date} to {end_date}. Look at other days."
_MISFIT: Final = "That cannot be asked of the calendar: {why}. Use the tool again with what it needs."


async def run(tool: CalComTool, use: ToolUse, context: ToolContext) -> ToolResult:
    """Ask the calendar for free times, or book one."""
    arguments = use.parsed()
    fault = "the arguments are no JSON object" if arguments is None else fault_in(arguments, parameters_of(tool))
    if arguments is None or fault is not None:
        return ToolResult(_MISFIT.format(why=fault), successful=False)
    variables = context.variables
    zone_name = variables.fill(tool.timezone or "") or DEFAULT_ZONE
    try:
        event_type_id = cal_com.event_type(variables.fill(text_of(tool.event_type_id)))
        zone = cal_com.zone_of(zone_name, find_zone)
        if tool.type == "check_availability_cal":
            url = cal_com.slots_url(context.services.cal_base_url, event_type_id, arguments, zone_name)
            answer = await _asked(tool, use, context, "GET", url)
            return _told_free_times(answer, arguments, zone)
        body = json_text.compact(cal_com.booking(event_type_id, arguments, zone_name, zone))
        answer = await _asked(tool, use, context, "POST", cal_com.bookings_url(context.services.cal_base_url), body)
        return _told_booking(answer, zone)
    except cal_com.Unusable as error:
        return ToolResult(_MISFIT.format(why=error), successful=False)
    except OutboundError as error:
        return unanswered(use, context, error)


async def _asked(
    tool: CalComTool, use: ToolUse, context: ToolContext, method: str, url: str, body: bytes | None = None
) -> HttpAnswer:
    """The calendar's answer. Raises OutboundError."""
    headers = {
        "Authorization": f"Bearer {context.variables.fill(tool.cal_api_key)}",
        cal_com.VERSION_HEADER: cal_com.SLOTS_VERSION if body is None else cal_com.BOOKINGS_VERSION,
    }
    if body is not None:
        headers |= {"Content-Type": "application/json", "Idempotency-Key": use.id}
    return await context.services.http.request(
        method, url, headers=headers, body=body, timeout_s=TIMEOUT_S, max_bytes=_MAX_ANSWER_BYTES
    )


def _told_free_times(answer: HttpAnswer, arguments: dict[str, Any], zone: tzinfo) -> ToolResult:
    if answer.status != HTTPStatus.OK:
        return _refused(answer)
    times = cal_com.free_times(json_text.parsed(answer.body), zone)
    if not times:
        return ToolResult(_NO_TIME.format(**arguments), successful=True)
    more = f" and {len(times) - cal_com.MAX_SHOWN} later ones" if len(times) > cal_com.MAX_SHOWN else ""
    return ToolResult(f"These times are free: {', '.join(times[: cal_com.MAX_SHOWN])}{more}.", successful=True)


def _told_booking(answer: HttpAnswer, zone: tzinfo) -> ToolResult:
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        return _refused(answer)
    return ToolResult(cal_com.booked(json_text.parsed(answer.body), zone), successful=True)


def _refused(answer: HttpAnswer) -> ToolResult:
    why = cal_com.refusal(json_text.parsed(answer.body)) or f"status {answer.status}"
    return ToolResult(f"The calendar refused: {why}", successful=False)
