"""Custom tools: a web service of the customer is asked, and its answer told to the model."""

from collections.abc import Mapping
from typing import Any, Final

import anyio
import structlog

from retold.domain import json_paths, json_text
from retold.domain.dialogue import ToolUse
from retold.domain.http_answer import HttpAnswer
from retold.domain.llm_tools import CustomTool
from retold.domain.tool_arguments import fault_in
from retold.domain.tool_request import ToolRequest, tool_request
from retold.domain.transcript import Utterance, as_text
from retold.domain.webhook_signature import HEADER, sign
from retold.errors import ConnectFailed, OutboundError, StorageError
from retold.ids import OrgId
from retold.responders.tools.context import ToolContext, ToolServices
from retold.responders.tools.result import ToolResult
from retold.responders.tools.unanswered import unanswered

MAX_ANSWER_BYTES: Final = 1 << 20
DEFAULT_TIMEOUT_MS: Final = 120_000
_FIRST_RETRY_S: Final = 0.5
"""The pause before the second attempt; each further one is twice as long."""
_PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 that another attempt may change."""
_NO_CONTENT: Final = "The tool answered, and had nothing to say."
_NO_OBJECT: Final = "The arguments are no JSON object. Use the tool again with arguments that are one."
_MISFIT: Final = "The arguments do not fit the tool: {fault}. Use it again with arguments that do."
_UNSIGNED: Final = "The request could not be signed. Use the tool again later, or go on without it."
_FAILED: Final = "The tool's server refused with status {status}: {body}"

log = structlog.stdlib.get_logger()


async def run(tool: CustomTool, use: ToolUse, context: ToolContext) -> ToolResult:
    """Ask the tool's web service, as often as the tool allows; 2xx is success."""
    arguments = use.parsed()
    if arguments is None:
        return ToolResult(_NO_OBJECT, successful=False)
    schema = tool.parameters.model_dump(exclude_none=True) if tool.parameters else {}
    if fault := fault_in(arguments, schema):
        return ToolResult(_MISFIT.format(fault=fault), successful=False)
    try:
        key = await context.services.webhook_key(OrgId(context.record.org_id))
    except StorageError as error:
        log.warning("tool_not_signed", call_id=context.record.call.call_id, tool=use.name, error=str(error))
        return ToolResult(_UNSIGNED, successful=False)
    request = tool_request(tool, use.id, arguments, call_now(context), context.variables)
    try:
        answer = await _asked(tool, request, key, context.services)
    except OutboundError as error:
        return unanswered(use, context, error)
    return _told(tool, answer)


def call_now(context: ToolContext) -> Mapping[str, Any]:
    """The call object with the transcript up to this moment, as tools and webhooks are shown it."""
    items = context.transcript
    utterances = [item for item in items if isinstance(item, Utterance)]
    return context.record.call.wire() | {
        "transcript": as_text(utterances),
        "transcript_object": [utterance.wire() for utterance in utterances],
        "transcript_with_tool_calls": [item.wire() for item in items],
    }


def _told(tool: CustomTool, answer: HttpAnswer) -> ToolResult:
    text = answer.body.decode(errors="replace")
    if not 200 <= answer.status < 300:
        return ToolResult(_FAILED.format(status=answer.status, body=text), successful=False)
    paths = tool.response_variables
    found = json_paths.values_at(json_text.parsed(answer.body), paths) if paths else {}
    return ToolResult(text or _NO_CONTENT, successful=True, variables=found)


async def _asked(tool: CustomTool, request: ToolRequest, key: str | None, services: ToolServices) -> HttpAnswer:
    """The answer, after as many attempts as it takes and the tool allows. Raises AddressRefused, ConnectFailed."""
    retries_left, pause_s = tool.max_retry or 0, _FIRST_RETRY_S
    while True:
        try:
            answer = await services.http.request(
                request.method,
                request.url,
                headers=_signed(request, key, services.clock.wall_ms()),
                body=request.body,
                timeout_s=(tool.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000,
                max_bytes=MAX_ANSWER_BYTES,
            )
            if retries_left == 0 or not _is_passing(answer.status):
                return answer
        except ConnectFailed:
            if retries_left == 0:
                raise
        await anyio.sleep(pause_s)
        retries_left, pause_s = retries_left - 1, pause_s * 2


def _signed(request: ToolRequest, key: str | None, now_ms: int) -> Mapping[str, str]:
    if key is None:
        return request.headers
    others = {name: value for name, value in request.headers.items() if name.lower() != HEADER.lower()}
    return others | {HEADER: sign(request.body or b"", key, now_ms)}


def _is_passing(status: int) -> bool:
    return status >= 500 or status in _PASSING
