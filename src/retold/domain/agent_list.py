"""What list-agents v2 may be asked for (SDK 6.2.13 `types/agent_list_params.py`)."""

from typing import Literal

from retold.domain.agent_options import RequestModel, ShortText

CHANNEL = "voice"
"""All agents of this server speak."""


class TextCondition(RequestModel):
    """How a text must compare with a value."""

    type: Literal["string"]
    op: Literal["eq", "ne", "sw", "ew", "co"]
    value: ShortText

    def holds(self, text: str) -> bool:
        """Whether the text fits."""
        match self.op:
            case "eq":
                return text == self.value
            case "ne":
                return text != self.value
            case "sw":
                return text.startswith(self.value)
            case "ew":
                return text.endswith(self.value)
            case _:  # co
                return self.value in text


class BooleanCondition(RequestModel):
    """What a yes or no must be."""

    type: Literal["boolean"]
    op: Literal["eq"]
    value: bool


class AgentFilter(RequestModel):
    """All conditions must hold; `query` is looked for in the name and in the id, where A to Z are as a to z."""

    channel: TextCondition | None = None
    is_transfer_agent: BooleanCondition | None = None
    query: ShortText | None = None


class ListAgentsRequest(RequestModel):
    """The body of list-agents v2."""

    filter_criteria: AgentFilter | None = None
