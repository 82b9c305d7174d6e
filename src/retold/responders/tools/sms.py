"""The tool send_sms: a text message, handed in at the web service that the server's settings name."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from retold.domain import json_text
from retold.domain.call import Call
from retold.domain.dialogue import ModelRequest, SystemText, TextPart, ToolUse, UsagePart, UserText
from retold.domain.e164 import is_e164
from retold.domain.llm_tools import InferredSms, OtherNumber, PredefinedSms, SendSms
from retold.domain.transcript import Utterance, as_text
from retold.errors import ModelFailed, OutboundError
from retold.responders.tools.context import ToolContext
from retold.responders.tools.result import ToolResult
from retold.responders.tools.unanswered import unanswered

TIMEOUT_S: Final = 30.0
MAX_TEXT_CHARS: Final = 1_600
"""Ten parts of one message, which is what providers take."""
INFO_COLLECTION: Final = """\
Thank you for your call. Please answer this message with your full name, your email address and your postal address."""
"""The text of the template of this name."""
_MAX_ANSWER_BYTES: Final = 64 * 1024
_NOT_CONFIGURED: Final = "This server has no provider of text messages (RETOLD_SMS__URL). Tell the caller, and go on."
_NO_NUMBER: Final = "There is no number to send a text message to in a {kind}. Tell the caller, and go on without."
_NOT_E164: Final = "{number!r} is no number that a message can be sent to: it must be like +14157774444."
_NO_TEXT: Final = "There is no text to send. Go on without."
_NOT_WRITTEN: Final = "The text could not be written: {error}. Use the tool again later, or go on without it."
_REFUSED: Final = "The provider of text messages refused with status {status}."
_WRITE: Final = (
    "Write one text message (SMS) to the caller of the following telephone call, as instructed here:\n{prompt}\n"
    "Answer with nothing but the text of the message."
)


class _Unsendable(Exception):
    """There is nobody to send a message to; the text says why."""


@dataclass(frozen=True, slots=True)
class _Text:
    """The text of a message, and what writing it cost of a model."""

    text: str
    used: tuple[UsagePart, ...] = ()


async def run(tool: SendSms, use: ToolUse, context: ToolContext) -> ToolResult:
    """Write the message and hand it in; the provider's 2xx is success."""
    url = context.services.sms_url
    if url is None:
        return ToolResult(_NOT_CONFIGURED, successful=False)
    try:
        to_number = _receiver(tool, context)
        written = await _text(tool, context)
    except _Unsendable as error:
        return ToolResult(str(error), successful=False)
    except ModelFailed as error:
        return ToolResult(_NOT_WRITTEN.format(error=error), successful=False)
    text = written.text.strip()[:MAX_TEXT_CHARS]
    call = context.record.call
    message = {
        "from": _sender(tool, context),
        "to": to_number,
        "text": text,
        "call_id": call.call_id,
        "agent_id": call.agent_id,
        "tool_call_id": use.id,
    }
    result = await _sent(url, message, use, context) if text else ToolResult(_NO_TEXT, successful=False)
    return replace(result, used=written.used)


async def _sent(url: str, message: Mapping[str, str | None], use: ToolUse, context: ToolContext) -> ToolResult:
    try:
        answer = await context.services.http.request(
            "POST",
            url,
            headers=_headers(use, context.services.sms_api_key),
            body=json_text.compact(message),
            timeout_s=TIMEOUT_S,
            max_bytes=_MAX_ANSWER_BYTES,
        )
    except OutboundError as error:
        return unanswered(use, context, error)
    if not 200 <= answer.status < 300:
        return ToolResult(_REFUSED.format(status=answer.status), successful=False)
    return ToolResult(f"The text message was sent to {message['to']}: {message['text']}", successful=True)


def _headers(use: ToolUse, api_key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": use.id}
    return headers | {"Authorization": f"Bearer {api_key}"} if api_key else headers


def _receiver(tool: SendSms, context: ToolContext) -> str:
    """Raises _Unsendable."""
    destination = tool.sms_destination
    if isinstance(destination, OtherNumber):
        number = context.variables.fill(destination.phone_number).strip()
        if not destination.ignore_e164_validation and not is_e164(number):
            raise _Unsendable(_NOT_E164.format(number=number))
        return number
    call = context.record.call
    number = call.to_number if call.direction == "outbound" else call.from_number
    if number is None:
        raise _Unsendable(_NO_NUMBER.format(kind=call.call_type.replace("_", " ")))
    return number


def _sender(tool: SendSms, context: ToolContext) -> str | None:
    """Whose number the message comes from; None leaves that to the provider."""
    own = context.services.sms_from_number
    if tool.sms_sender is not None and tool.sms_sender.type == "retell_long_code":
        return own
    return _agent_number(context.record.call) or own


def _agent_number(call: Call) -> str | None:
    return call.from_number if call.direction == "outbound" else call.to_number


async def _text(tool: SendSms, context: ToolContext) -> _Text:
    """Raises ModelFailed."""
    match tool.sms_content:
        case PredefinedSms(text=text, content=content):
            return _Text(context.variables.fill(text or content or ""))
        case InferredSms(prompt=prompt):
            return await _written(context, context.variables.fill(prompt or ""))
        case _:
            return _Text(INFO_COLLECTION)


async def _written(context: ToolContext, prompt: str) -> _Text:
    """What the agent's model makes of the prompt and the conversation. Raises ModelFailed."""
    said = as_text([item for item in context.transcript if isinstance(item, Utterance)])
    request = ModelRequest(
        model=context.primary.model,
        messages=[SystemText(_WRITE.format(prompt=prompt)), UserText(said or "(Nothing was said yet.)")],
        tier=context.primary.tier,
    )
    text, used = "", list[UsagePart]()
    async with aclosing(context.model.stream(request)) as parts:
        async for part in parts:
            if isinstance(part, TextPart):
                text += part.text
            elif isinstance(part, UsagePart):
                used.append(part)
            if len(text) > MAX_TEXT_CHARS:
                break
    return _Text(text, tuple(used))
