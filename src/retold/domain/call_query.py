"""What list-calls asks for.

Filter keys: "list-calls" v2 of SDK 5.x, and the thresholds of SDK 4.6 (`after_*` inclusive, `before_*` exclusive).
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Span(BaseModel):
    """A range; both ends inclusive, each may be open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lower_threshold: float | None = None
    upper_threshold: float | None = None


class CallFilter(BaseModel):
    """All present filters must hold; of a list any value may match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_id: tuple[str, ...] | None = None
    version: tuple[int, ...] | None = None
    call_id: tuple[str, ...] | None = None
    call_status: tuple[str, ...] | None = None
    call_type: tuple[str, ...] | None = None
    direction: tuple[str, ...] | None = None
    disconnection_reason: tuple[str, ...] | None = None
    from_number: tuple[str, ...] | None = None
    to_number: tuple[str, ...] | None = None
    metadata: dict[str, tuple[str | int | float | bool, ...]] | None = None
    dynamic_variables: dict[str, tuple[str | int | float | bool, ...]] | None = None
    start_timestamp: Span | None = None
    end_timestamp: Span | None = None
    duration_ms: Span | None = None
    e2e_latency_p50: Span | None = None
    after_start_timestamp: int | None = None
    before_start_timestamp: int | None = None
    after_end_timestamp: int | None = None
    before_end_timestamp: int | None = None


class CallQuery(BaseModel):
    """One page of calls; `pagination_key` is the call_id of the last call of the page before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filter_criteria: CallFilter = CallFilter()
    sort_order: Literal["ascending", "descending"] = "descending"
    limit: int = Field(default=50, ge=1, le=1000)
    pagination_key: str | None = None

    @classmethod
    def parse(cls, body: Any) -> "CallQuery":
        """A query from a request body; null counts as absent. Raises pydantic.ValidationError."""
        if isinstance(body, dict):
            body = {key: value for key, value in body.items() if value is not None}
        return cls.model_validate(body)
