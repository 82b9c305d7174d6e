"""What list-calls asks for, whichever generation of the API asked: conditions that must all hold, and one page.

call_filter.py makes it of v3 requests, call_filter_v2.py of the older ones.
"""

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAX_PAGE = 1_000
DEFAULT_PAGE = 50
MAX_INTEGER = 2**63 - 1


class CallField(StrEnum):
    """What a call can be found by, beside its keyed values and tools."""

    CALL_ID = "call_id"
    AGENT_ID = "agent_id"
    AGENT_VERSION = "agent_version"
    AGENT_TAG = "agent_tag"
    BATCH_CALL_ID = "batch_call_id"
    FROM_NUMBER = "from_number"
    TO_NUMBER = "to_number"
    CALL_STATUS = "call_status"
    CALL_TYPE = "call_type"
    DIRECTION = "direction"
    DISCONNECTION_REASON = "disconnection_reason"
    USER_SENTIMENT = "user_sentiment"
    CALL_SUCCESSFUL = "call_successful"
    IN_VOICEMAIL = "in_voicemail"
    DATA_STORAGE_SETTING = "data_storage_setting"
    START_TIMESTAMP = "start_timestamp"
    END_TIMESTAMP = "end_timestamp"
    DURATION_MS = "duration_ms"
    COMBINED_COST = "combined_cost"
    E2E_LATENCY_P50 = "e2e_latency_p50"


CHOICES: Final = (
    "agent_id",
    "agent_tag",
    "call_status",
    "call_successful",
    "call_type",
    "data_storage_setting",
    "direction",
    "disconnection_reason",
    "in_voicemail",
    "user_sentiment",
)
"""Fields that have few values each."""
NUMBERS: Final = ("agent_version", "combined_cost", "duration_ms", "e2e_latency_p50", "start_timestamp")
"""Fields that are numbers, but for the end."""


class CallKeys(StrEnum):
    """The maps of a call that can be asked key by key."""

    METADATA = "metadata"
    DYNAMIC_VARIABLES = "dynamic_variables"
    CUSTOM_ANALYSIS_DATA = "custom_analysis_data"
    CUSTOM_ATTRIBUTES = "custom_attributes"


class TextOp(StrEnum):
    """Where in a value a text must stand; capital letters count."""

    STARTS_WITH = "sw"
    ENDS_WITH = "ew"
    CONTAINS = "co"


Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of these; none matches an empty choice."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Unlike:
    """There is a value, and it is another one."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies between these, which belong to it unless said; None leaves an end open."""

    lower: float | None = None
    upper: float | None = None
    is_lower_outside: bool = False
    is_upper_outside: bool = False


@dataclass(frozen=True, slots=True)
class TextPart:
    """The value holds this text there."""

    op: TextOp
    value: str


@dataclass(frozen=True, slots=True)
class Present:
    """Whether there is a value."""

    is_present: bool


Test = OneOf | Unlike | Between | TextPart | Present


@dataclass(frozen=True, slots=True)
class FieldIs:
    """A test of a field."""

    field: CallField
    test: Test


@dataclass(frozen=True, slots=True)
class KeyIs:
    """A test of the value under a key."""

    keys: CallKeys
    key: str
    test: Test


@dataclass(frozen=True, slots=True)
class AgentVersions:
    """An agent in some of its versions, or in all when none is named."""

    agent_id: str
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentIs:
    """The call was with one of these."""

    choices: tuple[AgentVersions, ...]


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """The agent used a tool of which all of this is true."""

    name: str | None = None
    type: str | None = None
    latency_ms: OneOf | Unlike | Between | None = None
    is_successful: bool | None = None


Condition = FieldIs | KeyIs | AgentIs | ToolUsed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands in the order of lists; it stays when the call is deleted."""

    sort_ms: int
    row_id: int

    def cursor(self) -> str:
        """The place as text that a client carries from page to page."""
        return base64.urlsafe_b64encode(f"{self.sort_ms}.{self.row_id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> Place | None:
    """The place that a cursor names; None for any other text, such as a call_id."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (ValueError, binascii.Error):
        return None
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isdigit() and len(part) <= 19 for part in parts):
        return None
    place = Place(int(parts[0]), int(parts[1]))
    return place if max(place.sort_ms, place.row_id) <= MAX_INTEGER else None


@dataclass(frozen=True, slots=True)
class CallQuery:
    """One page of calls, by start; `after` is a cursor, or the call_id of the last call of the page before."""

    conditions: tuple[Condition, ...] = ()
    is_ascending: bool = False
    limit: int = DEFAULT_PAGE
    skip: int = 0
    after: str | None = None
    has_total: bool = False


@dataclass(frozen=True, slots=True)
class CallPage:
    """The rows of one page in order, and whether calls follow them."""

    row_ids: tuple[int, ...] = ()
    has_more: bool = False
    cursor: str | None = None
    total: int | None = None


def without_nulls(sent: Any) -> Any:
    """A request without the nulls of its objects; those inside lists stay."""
    if not isinstance(sent, dict):
        return sent
    return {name: without_nulls(value) for name, value in sent.items() if value is not None}
