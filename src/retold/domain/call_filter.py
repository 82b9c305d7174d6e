"""The filters of list-calls v3 (SDK 6.2.13 `types/call_list_params.py`), and the conditions they mean."""

from collections.abc import Iterator
from typing import Annotated, Any, Generic, Literal, TypeVar, assert_never

from pydantic import BaseModel, ConfigDict, Discriminator, Field, field_validator, model_validator

from retold.domain.call_query import (
    DEFAULT_PAGE,
    MAX_INTEGER,
    MAX_PAGE,
    AgentIs,
    AgentVersions,
    Between,
    CallField,
    CallKeys,
    CallQuery,
    Condition,
    FieldIs,
    KeyIs,
    OneOf,
    Present,
    Test,
    TextOp,
    TextPart,
    ToolUsed,
    Unlike,
    without_nulls,
)
from retold.domain.reasons import DisconnectionReason

MAX_CHOICES = 1_000
"""Values that one filter may list."""
MAX_KEYED = 50
MAX_AGENTS = 100
MAX_VERSIONS = 100
MAX_FILTER_CHARS = 1_000

Text = Annotated[str, Field(strict=True, max_length=MAX_FILTER_CHARS)]
Cursor = Annotated[str, Field(max_length=MAX_FILTER_CHARS)]
SortOrder = Literal["ascending", "descending"]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=-MAX_INTEGER, le=MAX_INTEGER)]


class _Filter(BaseModel):
    """Unknown names are refused: a filter that is not applied would give wrong calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StringFilter(_Filter):
    """eq, ne: the whole value; sw, ew, co: how it starts, ends, what it contains."""

    type: Literal["string"]
    op: Literal["eq", "ne", "sw", "ew", "co"]
    value: Text

    def test(self) -> Test:
        """What it means."""
        match self.op:
            case "eq":
                return OneOf((self.value,))
            case "ne":
                return Unlike(self.value)
            case _:
                return TextPart(TextOp(self.op), self.value)


class NumberFilter(_Filter):
    """A comparison with a number."""

    type: Literal["number"]
    op: Literal["eq", "ne", "gt", "ge", "lt", "le"]
    value: Number

    def test(self) -> OneOf | Unlike | Between:
        """What it means."""
        match self.op:
            case "eq":
                return OneOf((self.value,))
            case "ne":
                return Unlike(self.value)
            case "gt" | "ge":
                return Between(lower=self.value, is_lower_outside=self.op == "gt")
            case "lt" | "le":
                return Between(upper=self.value, is_upper_outside=self.op == "lt")
            case _:
                assert_never(self.op)


class RangeFilter(_Filter):
    """From the first number to the second, both included."""

    type: Literal["range"]
    op: Literal["bt"]
    value: tuple[Number, Number]

    def test(self) -> Between:
        """What it means."""
        lower, upper = self.value
        return Between(lower, upper)


class BooleanFilter(_Filter):
    """Yes or no."""

    type: Literal["boolean"]
    op: Literal["eq"]
    value: Annotated[bool, Field(strict=True)]

    def test(self) -> OneOf:
        """What it means."""
        return OneOf((self.value,))


Choice = TypeVar("Choice", bound=str)


class EnumFilter(_Filter, Generic[Choice]):
    """Any of these values."""

    type: Literal["enum"]
    op: Literal["in"]
    value: Annotated[tuple[Choice, ...], Field(max_length=MAX_CHOICES)]

    def test(self) -> OneOf:
        """What it means."""
        return OneOf(self.value)


class PresentFilter(_Filter):
    """pr: there is a value; np: there is none."""

    type: Literal["present"]
    op: Literal["pr", "np"]

    def test(self) -> Present:
        """What it means."""
        return Present(self.op == "pr")


class _Keyed(_Filter):
    key: Text


class KeyedString(StringFilter, _Keyed):
    """The value under a key."""


class KeyedNumber(NumberFilter, _Keyed):
    """The value under a key."""


class KeyedRange(RangeFilter, _Keyed):
    """The value under a key."""


class KeyedBoolean(BooleanFilter, _Keyed):
    """The value under a key."""


class KeyedEnum(EnumFilter[Text], _Keyed):
    """The value under a key."""


class KeyedPresent(PresentFilter, _Keyed):
    """The value under a key."""


KeyedFilter = Annotated[
    KeyedString | KeyedNumber | KeyedRange | KeyedBoolean | KeyedEnum | KeyedPresent, Discriminator("type")
]
KeyedFilters = Annotated[tuple[KeyedFilter, ...], Field(max_length=MAX_KEYED)]
NumberOrRange = Annotated[NumberFilter | RangeFilter, Discriminator("type")]
StringOrEnum = Annotated[StringFilter | EnumFilter[Text], Discriminator("type")]


Status = Literal["not_connected", "ongoing", "ended", "error"]
"""A registered call has none of these yet."""
Sentiment = Literal["Negative", "Positive", "Neutral", "Unknown"]
StorageSetting = Literal["everything", "everything_except_pii", "basic_attributes_only"]
Reason = DisconnectionReason | Literal["call_take_over"]
"""Those of all generations of the API."""


class AgentFilter(_Filter):
    """An agent, in these versions or in any."""

    agent_id: Text
    version: Annotated[tuple[Whole, ...], Field(max_length=MAX_VERSIONS)] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        # The SDK types versions as floats.
        if not isinstance(value, list):
            return () if value is None else value
        return [int(one) if isinstance(one, float) and one.is_integer() else one for one in value]


class ToolFilter(_Filter):
    """One use of a tool."""

    name: Text | None = None
    type: Text | None = None
    latency_ms: NumberOrRange | None = None
    success: BooleanFilter | None = None


class CallFilter(_Filter):
    """All present filters must hold; agents are alternatives."""

    agent: Annotated[tuple[AgentFilter, ...], Field(max_length=MAX_AGENTS)] | None = None
    agent_tag: EnumFilter[Text] | None = None
    call_id: StringOrEnum | None = None
    batch_call_id: StringFilter | None = None
    from_number: StringFilter | None = None
    to_number: StringFilter | None = None
    call_status: EnumFilter[Status] | None = None
    call_type: EnumFilter[Literal["web_call", "phone_call"]] | None = None
    direction: EnumFilter[Literal["inbound", "outbound"]] | None = None
    disconnection_reason: EnumFilter[Reason] | None = None
    user_sentiment: EnumFilter[Sentiment] | None = None
    data_storage_setting: EnumFilter[StorageSetting] | None = None
    call_successful: BooleanFilter | None = None
    in_voicemail: BooleanFilter | None = None
    start_timestamp: NumberOrRange | None = None
    end_timestamp: NumberOrRange | None = None
    duration_ms: NumberOrRange | None = None
    combined_cost: NumberOrRange | None = None
    e2e_latency_p50: NumberOrRange | None = None
    metadata: KeyedFilters | None = None
    dynamic_variables: KeyedFilters | None = None
    custom_analysis_data: KeyedFilters | None = None
    custom_attributes: KeyedFilters | None = None
    tool_calls: Annotated[tuple[ToolFilter, ...], Field(max_length=MAX_KEYED)] | None = None

    def conditions(self) -> Iterator[Condition]:
        """What must be true of a call."""
        if self.agent is not None:
            yield AgentIs(tuple(AgentVersions(one.agent_id, one.version) for one in self.agent))
        for name in CallField:
            wanted = getattr(self, name, None)
            if wanted is not None:
                yield FieldIs(name, wanted.test())
        for keys in CallKeys:
            for one in getattr(self, keys) or ():
                yield KeyIs(keys, one.key, one.test())
        for tool in self.tool_calls or ():
            yield ToolUsed(
                tool.name,
                tool.type,
                tool.latency_ms.test() if tool.latency_ms else None,
                tool.success.value if tool.success else None,
            )


class ListCallsV3(BaseModel):
    """What list-calls v3 takes; null counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filter_criteria: CallFilter = CallFilter()
    sort_order: SortOrder = "descending"
    limit: Limit = DEFAULT_PAGE
    skip: int = Field(default=0, ge=0, le=MAX_INTEGER, strict=True)
    pagination_key: Cursor | None = None
    include_total: Annotated[bool, Field(strict=True)] = False

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
            skip=self.skip,
            after=self.pagination_key,
            has_total=self.include_total,
        )
