"""What list-calls asks for.

Filter keys: "list-calls" v2 of SDK 5.x, and the thresholds of SDK 4.6 (`after_*` inclusive, `before_*` exclusive).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_CHOICES = 1_000
"""Values that one filter may list."""

# Strict: a text is no number. Lists stay lax, for a tuple is a list in JSON.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Texts = Annotated[tuple[str, ...], Field(max_length=MAX_CHOICES)]
Scalars = Annotated[
    tuple[Annotated[str | Whole | Number | bool, Field(union_mode="smart")], ...], Field(max_length=MAX_CHOICES)
]
Keyed = Annotated[dict[str, Scalars], Field(max_length=50)]


class Span(BaseModel):
    """A range; both ends inclusive, each may be open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lower_threshold: Number | None = None
    upper_threshold: Number | None = None


class CallFilter(BaseModel):
    """All present filters must hold; of a list any value may match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_id: Texts | None = None
    version: Annotated[tuple[Whole, ...], Field(max_length=MAX_CHOICES)] | None = None
    call_id: Texts | None = None
    call_status: Texts | None = None
    call_type: Texts | None = None
    direction: Texts | None = None
    disconnection_reason: Texts | None = None
    from_number: Texts | None = None
    to_number: Texts | None = None
    metadata: Keyed | None = None
    dynamic_variables: Keyed | None = None
    start_timestamp: Span | None = None
    end_timestamp: Span | None = None
    duration_ms: Span | None = None
    e2e_latency_p50: Span | None = None
    after_start_timestamp: Number | None = None
    before_start_timestamp: Number | None = None
    after_end_timestamp: Number | None = None
    before_end_timestamp: Number | None = None


class CallQuery(BaseModel):
    """One page of calls; `pagination_key` is the call_id of the last call of the page before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filter_criteria: CallFilter = CallFilter()
    sort_order: Literal["ascending", "descending"] = "descending"
    limit: int = Field(default=50, ge=1, le=1000, strict=True)
    pagination_key: str | None = None

    @classmethod
    def parse(cls, body: Any) -> "CallQuery":
        """A query from a request body; null counts as absent. Raises pydantic.ValidationError."""
        if isinstance(body, dict):
            body = {key: value for key, value in body.items() if value is not None}
        return cls.model_validate(body)
