"""A language model that follows a script, without a server: for tests and load tests of everything above it.

Sleeping is by anyio only, so it runs on virtual time too.
"""

import math
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import anyio

from retold.domain.dialogue import (
    ModelPart,
    ModelRequest,
    StopPart,
    StopReason,
    TextPart,
    ToolUse,
    ToolUsePart,
    UsagePart,
)
from retold.domain.model_script import (
    BreakStep,
    FailStep,
    HangStep,
    SayStep,
    Script,
    ScriptReader,
    Step,
    StopStep,
    UsageStep,
    UseStep,
    WaitStep,
    arguments_text,
    pieces_of,
    tokens_of,
)
from retold.errors import ModelFailed
from retold.ids import new_tool_use_id
from retold.providers.model_limits import Deadlines, is_passing, silence

MAX_SEEN: Final = 1_000
_NO_DEADLINES: Final = Deadlines(first_byte_s=60.0, between_s=60.0)


class ScriptedModel:
    """A ports.LanguageModel; what it was asked is in `requests`, the oldest being forgotten first."""

    def __init__(self, script: Script, deadlines: Deadlines = _NO_DEADLINES) -> None:
        self._reader = ScriptReader(script)
        self._deadlines = deadlines
        self.requests: deque[ModelRequest] = deque(maxlen=MAX_SEEN)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart]:
        """See ports.LanguageModel."""
        self.requests.append(request)
        usage: UsagePart | None = None
        stop: StopPart | None = None
        words, has_used_tools = 0, False
        allowed_s = self._deadlines.first_byte_s
        for step in self._reader.steps_for(request):
            async with aclosing(_performed(step, allowed_s)) as parts:
                async for part in parts:
                    match part:
                        case UsagePart():
                            usage = part
                        case StopPart():
                            stop = part
                        case TextPart() | ToolUsePart():
                            words += 1
                            has_used_tools = has_used_tools or isinstance(part, ToolUsePart)
                            yield part
                    allowed_s = self._deadlines.between_s
        yield usage or UsagePart(tokens_of(request), words)
        yield stop or StopPart(StopReason.TOOL_USE if has_used_tools else StopReason.END)


async def _performed(step: Step, allowed_s: float) -> AsyncGenerator[ModelPart]:
    match step:
        case SayStep():
            for number, piece in enumerate(pieces_of(step.say)):
                await _pause(step.gap_ms if number else 0, allowed_s)
                yield TextPart(piece)
        case UseStep():
            yield ToolUsePart(ToolUse(new_tool_use_id(), step.use, arguments_text(step) or "{}"))
        case StopStep():
            yield StopPart(step.stop)
        case UsageStep():
            yield UsagePart(step.input_tokens, step.output_tokens)
        case _:
            await _troubled(step, allowed_s)


async def _troubled(step: WaitStep | HangStep | FailStep | BreakStep, allowed_s: float) -> None:
    match step:
        case WaitStep():
            await _pause(step.wait_ms, allowed_s)
        case HangStep():
            await _pause(math.inf, allowed_s)
        case FailStep():
            raise ModelFailed(
                f"the model's server answered {step.fail}: {step.message}",
                is_retryable=is_passing(step.fail),
                status=step.fail,
            )
        case BreakStep():
            raise ModelFailed(f"the answer was cut off: {step.broken}", is_retryable=True)


async def _pause(for_ms: float, allowed_s: float) -> None:
    if for_ms > allowed_s * 1000:
        await anyio.sleep(allowed_s)
        raise silence(allowed_s)
    if for_ms > 0:
        await anyio.sleep(for_ms / 1000)
