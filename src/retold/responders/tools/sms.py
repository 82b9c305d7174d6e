"""The tool send_sms: a text message, handed in at the web service that the server's settings name."""

from contextlib import aclosing
from typing import Final

from retold.domain import json_text
from retold.domain.call import Call
from retold.domain.dialogue import ModelRequest, SystemText, TextPart, ToolUse, UserText
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
    """There is nothing that could be sent; the message says why."""


async def run(tool: SendSms, use: ToolUse, context: ToolContext) -> ToolResult:
    """Hand in the message; the provider's 2xx is success."""
    services = context.services
    if services.sms_url is None:
        return ToolResult(_NOT_CONFIGURED, successful=False)
    try:
        message = await _message(tool, use, context)
        answer = await services.http.request(
            "POST",
            services.sms_url,
            headers=_headers(use, services.sms_api_key),
            body=json_text.compact(message),
            timeout_s=TIMEOUT_S,
            max_bytes=_MAX_ANSWER_BYTES,
        )
    except _Unsendable as error:
        return ToolResult(str(error), successful=False)
    except ModelFailed as error:
        return ToolResult(_NOT_WRITTEN.format(error=error), successful=False)
    except OutboundError as error:
        return unanswered(use, context, error)
    if not 200 <= answer.status < 300:
        return ToolResult(_REFUSED.format(status=answer.status), successful=False)
    return ToolResult(f"The text message was sent to {message['to']}: {message['text']}", successful=True)


async def _message(tool: SendSms, use: ToolUse, context: ToolContext) -> dict[str, str | None]:
    """What is handed in. Raises _Unsendable, ModelFailed."""
    call = context.record.call
    to_number = _receiver(tool, context)
    text = (await _text(tool, context)).strip()[:MAX_TEXT_CHARS]
    if not text:
        raise _Unsendable(_NO_TEXT)
    return {
        "from": _sender(tool, context),
        "to": to_number,
        "text": text,
        "call_id": call.call_id,
        "agent_id": call.agent_id,
        "tool_call_id": use.id,
    }


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


async def _text(tool: SendSms, context: ToolContext) -> str:
    """Raises ModelFailed."""
    match tool.sms_content:
        case PredefinedSms(text=text, content=content):
            return context.variables.fill(text or content or "")
        case InferredSms(prompt=prompt):
            return await _written(context, context.variables.fill(prompt or ""))
        case _:
            return INFO_COLLECTION


async def _written(context: ToolContext, prompt: str) -> str:
    """What the agent's model makes of the prompt and the conversation. Raises ModelFailed."""
    said = as_text([item for item in context.transcript if isinstance(item, Utterance)])
    request = ModelRequest(
        model=context.primary.model,
        messages=[SystemText(_WRITE.format(prompt=prompt)), UserText(said or "(Nothing was said yet.)")],
        tier=context.primary.tier,
    )
    text = ""
    async with aclosing(context.model.stream(request)) as parts:
        async for part in parts:
            text += part.text if isinstance(part, TextPart) else ""
            if len(text) > MAX_TEXT_CHARS:
                break
    return text
