"""Asks a model and says its answer as it comes."""

from contextlib import aclosing
from dataclasses import dataclass

from retold.domain.dialogue import ModelRequest, StopPart, TextPart, ToolUse, ToolUsePart, UsagePart
from retold.ports import LanguageModel, ModelUsed, Traffic
from retold.responders.mind.turn import Turn


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, and the tools it wants to use."""

    text: str
    tool_uses: tuple[ToolUse, ...]

    @property
    def has_text(self) -> bool:
        """Whether it said anything at all."""
        return bool(self.text.strip())


async def ask(model: LanguageModel, request: ModelRequest, turn: Turn, *, is_silent: bool = False) -> Answer:
    """Have the model's words said in this turn while they come, unless `is_silent`. Raises ModelFailed.

    Cancelling ends the request; nothing more is said then.
    """
    text, uses = "", list[ToolUse]()
    turn.outbox.put(Traffic("sent", f"{request.model}: {len(request.messages)} messages, {len(request.tools)} tools"))
    async with aclosing(model.stream(request)) as parts:
        async for part in parts:
            match part:
                case TextPart():
                    text += part.text
                    if not is_silent:
                        turn.say(part.text)
                case ToolUsePart():
                    uses.append(part.tool_use)
                case UsagePart():
                    turn.outbox.put(ModelUsed(part.input_tokens, part.output_tokens))
                case StopPart():
                    pass
    shown = [repr(text.strip())] if text.strip() else []
    shown += [f"{use.name}({use.arguments})" for use in uses]
    turn.outbox.put(Traffic("received", f"{request.model}: {', '.join(shown) or 'nothing'}"))
    return Answer(text, tuple(uses))
