"""The objects inside a call: analysis, cost, tokens, telephony (SDK 6.2.13 `types/web_call_response.py`).

Fields this server does not know survive in each of them: what a later version stored, an earlier one still shows.
"""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, JsonValue

DataStorageSetting = Literal["everything", "everything_except_pii", "basic_attributes_only"]
STORAGE_SETTINGS: tuple[DataStorageSetting, ...] = ("everything", "everything_except_pii", "basic_attributes_only")
"""From the loosest to the tightest."""


class CallPart(BaseModel):
    """An object inside the call object."""

    model_config = ConfigDict(frozen=True, extra="allow")


class CallAnalysis(CallPart):
    """What was found out about a call after its end."""

    call_summary: str | None = None
    call_successful: bool | None = None
    user_sentiment: Literal["Negative", "Positive", "Neutral", "Unknown"] | None = None
    in_voicemail: bool | None = None
    custom_analysis_data: dict[str, JsonValue] | None = None


class ProductCost(CallPart):
    """What one product of a call costs, in cents; `unit_price` is cents per second."""

    product: str
    cost: float
    unit_price: float | None = None
    is_transfer_leg_cost: bool | None = None


class CallCost(CallPart):
    """What a call costs, in cents; the unit price is cents per second."""

    combined_cost: float
    product_costs: list[ProductCost]
    total_duration_seconds: float
    total_duration_unit_price: float


class LlmTokenUsage(CallPart):
    """Tokens of the model's requests during a call; `values` holds one number per request."""

    average: float
    num_requests: float
    values: list[float]

    @classmethod
    def of(cls, request_tokens: Sequence[int]) -> Self | None:
        """The usage of these requests in order; None when there were none."""
        if not request_tokens:
            return None
        values = [float(tokens) for tokens in request_tokens]
        return cls(average=round(sum(values) / len(values), 2), num_requests=len(values), values=values)


class TelephonyIdentifier(CallPart):
    """The call's name at the telephony provider."""

    twilio_call_sid: str | None = None
