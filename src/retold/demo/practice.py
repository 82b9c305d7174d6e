"""Lakeside Dental, the practice Ada answers for: its hours, its diary, and how times sound when spoken. Invented."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SLOT_MIN: Final = 30
OFFERED: Final = 3
_NOON: Final = 12 * 60


class Day(StrEnum):
    """A day of the week, spelled as it is spoken."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class Part(StrEnum):
    """A part of the day."""

    MORNING = "morning"
    AFTERNOON = "afternoon"


@dataclass(frozen=True, slots=True)
class Slot:
    """A day and a time in minutes since midnight."""

    day: Day
    minute: int

    def spoken(self) -> str:
        """As Ada says it: "Tuesday at ten thirty"."""
        return f"{self.day} at {spoken_time(self.minute)}"


@dataclass(frozen=True, slots=True)
class Hours:
    """When the practice is open, in minutes since midnight."""

    opens: int
    closes: int

    def spoken(self) -> str:
        """As Ada says it: "from eight to five"."""
        return f"from {spoken_time(self.opens)} to {spoken_time(self.closes)}"


_WEEKDAY: Final = Hours(8 * 60, 17 * 60)
_SATURDAY: Final = Hours(9 * 60, 13 * 60)
_TAKEN: Final = {
    Day.MONDAY: ("8:00", "8:30", "10:00", "13:30", "14:00"),
    Day.TUESDAY: ("8:00", "9:30", "10:30", "13:00", "14:00", "15:30"),
    Day.WEDNESDAY: ("8:30", "9:00", "10:00", "14:30", "15:00"),
    Day.THURSDAY: ("8:00", "9:00", "10:30", "13:00", "15:00"),
    Day.FRIDAY: ("8:00", "8:30", "9:30", "13:30", "16:00"),
    Day.SATURDAY: ("9:30", "10:30", "12:30"),
    Day.SUNDAY: (),
}
CALLERS_OWN_MINUTE: Final = 11 * 60
"""Whoever calls about an appointment they have: the diary finds it at eleven on the day they name."""

NUMBERS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
"""The words for 0 to 19."""
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty")


def hours_on(day: Day) -> Hours | None:
    """Opening hours; None on the day the practice is closed."""
    if day is Day.SUNDAY:
        return None
    return _SATURDAY if day is Day.SATURDAY else _WEEKDAY


def is_free(slot: Slot) -> bool:
    """Whether the diary has this very time; lunch is from noon to one, except on Saturday."""
    return slot.minute in _free_minutes(slot.day)


def free_times(day: Day, *, near: int | None = None, part: Part | None = None) -> Sequence[int]:
    """Up to three free times in minutes: those closest to `near`, else spread over the day or a part of it."""
    free = [minute for minute in _free_minutes(day) if part is None or (minute < _NOON) is (part is Part.MORNING)]
    if near is not None:
        return sorted(sorted(free, key=lambda minute: abs(minute - near))[:OFFERED])
    if len(free) <= OFFERED:
        return free
    last = len(free) - 1
    return [free[last * index // (OFFERED - 1)] for index in range(OFFERED)]


def spoken_time(minute: int) -> str:
    """A time of day in words a voice reads well: "nine", "two thirty", "noon"."""
    if minute == _NOON:
        return "noon"
    hour, rest = divmod(minute, 60)
    spoken_hour = NUMBERS[(hour - 1) % 12 + 1]
    if rest == 0:
        return spoken_hour
    oh = "oh " if rest < len(NUMBERS) // 2 else ""
    return f"{spoken_hour} {oh}{_spoken_number(rest)}"


def spoken_list(words: Sequence[str]) -> str:
    """Choices in a row: "nine, ten or eleven"."""
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _spoken_number(number: int) -> str:
    if number < len(NUMBERS):
        return NUMBERS[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]} {NUMBERS[ones]}" if ones else _TENS[tens]


def _free_minutes(day: Day) -> list[int]:
    hours = hours_on(day)
    if hours is None:
        return []
    taken = {int(hour) * 60 + int(rest) for hour, rest in (text.split(":") for text in _TAKEN[day])}
    lunch = range(0) if day is Day.SATURDAY else range(_NOON, _NOON + 60)
    return [
        minute
        for minute in range(hours.opens, hours.closes, SLOT_MIN)
        if minute not in taken and minute not in lunch and minute != CALLERS_OWN_MINUTE
    ]
