"""What get-call-statistics takes."""

from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from retold.clock import find_zone
from retold.domain.call_filter import CallFilter
from retold.domain.call_query import Condition, without_nulls

Interval = Literal["hour", "day", "week", "month"]


class StatisticsRequest(BaseModel):
    """Which calls, by the filters of list-calls v3, and into which stretches of time they are cut; null is absent."""

    # What checks the filters is large, and made when the first statistics are asked for.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    filter_criteria: CallFilter = CallFilter()
    interval: Interval | None = None
    timezone: Annotated[str, Field(max_length=100)] = "UTC"

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, sent: Any) -> Any:
        return without_nulls(sent)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if find_zone(value) is None:
            raise ValueError("timezone must be the name of one, such as Europe/Berlin or UTC")
        return value

    @property
    def zone(self) -> tzinfo:
        """The time zone, in which days and weeks begin."""
        return find_zone(self.timezone) or UTC

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What must be true of a call."""
        return tuple(self.filter_criteria.conditions())
