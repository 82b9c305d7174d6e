"""The filters of list-calls before v3, and the conditions they mean.

Plain lists and thresholds of "list-calls" v2 (SDK 5.x), and the thresholds of SDK 4.6, which v1 takes in the query
(`after_*` inclusive, `before_*` exclusive).
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from retold.domain.call_filter import MAX_CHOICES, MAX_KEYED, Cursor, Limit, Number, SortOrder, Whole
from retold.domain.call_query import (
    DEFAULT_PAGE,
    Between,
    CallField,
    CallKeys,
    CallQuery,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    without_nulls,
)

# Lists stay lax, for a tuple is a list in JSON.
Texts = Annotated[tuple[str, ...], Field(max_length=MAX_CHOICES)]
Flags = Annotated[tuple[Annotated[bool, Field(strict=True)], ...], Field(max_length=MAX_CHOICES)]
Scalars = Annotated[
    tuple[Annotated[str | Whole | Number | bool, Field(union_mode="smart")], ...], Field(max_length=MAX_CHOICES)
]
Keyed = Annotated[dict[str, Scalars], Field(max_length=MAX_KEYED)]


class Span(BaseModel):
    """A range; both ends inclusive, each may be open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lower_threshold: Number | None = None
    upper_threshold: Number | None = None


class CallFilterV2(BaseModel):
    """All present filters must hold; of a list any value may match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_id: Texts | None = None
    version: Annotated[tuple[Whole, ...], Field(max_length=MAX_CHOICES)] | None = None
    call_id: Texts | None = None
    batch_call_id: Texts | None = None
    call_status: Texts | None = None
    call_type: Texts | None = None
    direction: Texts | None = None
    disconnection_reason: Texts | None = None
    from_number: Texts | None = None
    to_number: Texts | None = None
    user_sentiment: Texts | None = None
    call_successful: Flags | None = None
    in_voicemail: Flags | None = None
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

    def conditions(self) -> Iterator[Condition]:
        """What must be true of a call."""
        if self.version is not None:
            yield FieldIs(CallField.AGENT_VERSION, OneOf(self.version))
        for name in CallField:
            match getattr(self, name, None):
                case None:
                    pass
                case Span(lower_threshold=lower, upper_threshold=upper):
                    yield FieldIs(name, Between(lower, upper))
                case values:
                    yield FieldIs(name, OneOf(values))
        yield from self._thresholds()
        for keys in (CallKeys.METADATA, CallKeys.DYNAMIC_VARIABLES):
            for key, values in (getattr(self, keys) or {}).items():
                yield KeyIs(keys, key, OneOf(values))

    def _thresholds(self) -> Iterator[Condition]:
        bounds = (
            (CallField.START_TIMESTAMP, self.after_start_timestamp, self.before_start_timestamp),
            (CallField.END_TIMESTAMP, self.after_end_timestamp, self.before_end_timestamp),
        )
        for name, after, before in bounds:
            if after is not None or before is not None:
                yield FieldIs(name, Between(after, before, is_upper_outside=True))


class ListCallsV2(BaseModel):
    """What list-calls takes before v3; null counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filter_criteria: CallFilterV2 = CallFilterV2()
    sort_order: SortOrder = "descending"
    limit: Limit = DEFAULT_PAGE
    pagination_key: Cursor | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, sent: Any) -> Any:
        return without_nulls(sent)

    def query(self) -> CallQuery:
        """What it means."""
        return CallQuery(
            conditions=tuple(self.filter_criteria.conditions()),
            is_ascending=self.sort_order == "ascending",
            limit=self.limit,
            after=self.pagination_key,
        )
