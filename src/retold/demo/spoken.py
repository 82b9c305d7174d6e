"""Words as a recogniser writes them, read as text, days and times. Pure, and tolerant of mishearing."""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from retold.demo.practice import NUMBERS, Day, Part

# Mishearings seen with small recognisers; longer ones first, because they are replaced in this order.
_MISHEARD: Final = tuple(
    (re.compile(pattern), meant)
    for pattern, meant in (
        (r"\b(?:choose|two'?s|to's|tues|tuesdays|tuesday's) ?day\b|\btues\b|\btuesdays\b", "tuesday"),
        (r"\b(?:wens|wednes|when's|once|ones) day\b|\bwensday\b|\bwed\b|\bwednesdays\b", "wednesday"),
        (r"\b(?:thurs|thirst|thirs|third's|first's|thor's) ?day\b|\bthirsty\b|\bthurs?\b|\bthursdays\b", "thursday"),
        (r"\b(?:fry|fri) ?day\b|\bfri\b|\bfridays\b", "friday"),
        (r"\b(?:sat|satur|sata) ?day\b|\bsat\b|\bsaturdays\b", "saturday"),
        (r"\b(?:mon|man|mun) ?day\b|\bmondays\b", "monday"),
        (r"\b(?:sun|son) ?day\b|\bsundays\b", "sunday"),
        (r"\bo'? ?clocks?\b|\ba clock\b", "oclock"),
        (r"\ba ?m\b", "am"),
        (r"\bp ?m\b", "pm"),
        (r"\bcheck ?ups?\b|\bcheck-ups?\b", "checkup"),
        (r"\bre ?schedule\b", "reschedule"),
        (r"\bgood ?-?bye\b|\bbye ?-?bye\b", "goodbye"),
        (r"\btooth ?ache\b", "toothache"),
    )
)
_NUMBER_WORDS: Final = {word: number for number, word in enumerate(NUMBERS) if number} | {
    "twenty": 20,
    "twenty-five": 25,
    "thirty": 30,
    "forty": 40,
    "forty-five": 45,
    "fifty": 50,
}
_HOUR: Final = "|".join([*list(_NUMBER_WORDS)[:12], r"[01]?\d|2[0-3]"])
_MINUTES: Final = r"fifteen|thirty|forty[- ]five|twenty|ten|forty|fifty|[0-5]\d"
_DAYPART: Final = r"(?:\s+(?P<half>am|pm|(?:in the |this )?(?:morning|afternoon|evening|night)))?"
_COUNTED: Final = "(?:dollar|year|day|week|people|person|tooth|teeth|of us)"
_CLOCK: Final = (
    rf"(?P<half_past>half past|half) (?P<h1>{_HOUR})\b{_DAYPART}",
    rf"(?P<quarter_past>(?:a )?quarter (?:past|after)) (?P<h1>{_HOUR})\b{_DAYPART}",
    rf"(?P<quarter_to>(?:a )?quarter (?:to|of|before)) (?P<h1>{_HOUR})\b{_DAYPART}",
    rf"\b(?P<h1>[01]?\d|2[0-3]):(?P<min>[0-5]\d){_DAYPART}",
    rf"\b(?P<h1>{_HOUR}) (?P<min>{_MINUTES})\b{_DAYPART}",
    rf"\b(?P<h1>{_HOUR}) ?(?:oclock){_DAYPART}",
    rf"\b(?P<h1>{_HOUR})\s*(?P<half>am|pm|in the (?:morning|afternoon|evening)|at night)\b",
    rf"\b(?:at|around|about|by|for|after|before) (?P<h1>{_HOUR})\b(?! {_COUNTED})",
    r"\b(?P<h1>[1-9]|1[0-2])(?P<min>[03]0)\b",
)
_LAST_TIMES: Final = 4
_NOON_H: Final = 12
_FIRST_H: Final = 8
_NOT_A_TIME: Final = r"\b(?:that|this|first|second|third|last|which|any|either|another|no|latest|earliest|middle) one\b"
_BARE: Final = rf"\b(?P<h1>{_HOUR})\b"


def normalised(text: str) -> str:
    """Lower case, plain apostrophes, no punctuation but `:` in times and `-`, known mishearings mended."""
    said = text.lower().replace("\u2019", "'")
    said = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", said)
    said = re.sub(r"(?<=\d)[.](?=\d\d\b)", ":", said)
    said = re.sub(r"[^\w:'\- ]+", " ", said)
    said = re.sub(r"(?<=\d)(?=[ap]m\b)", " ", said)
    said = re.sub(r"\s+", " ", said).strip()
    for pattern, meant in _MISHEARD:
        said = pattern.sub(meant, said)
    return said


def days_named(said: str) -> Sequence[Day]:
    """The days named, the one that counts last; those ruled out by "not" are left out."""
    days: list[Day] = []
    names = "|".join(day.lower() for day in Day)
    for match in re.finditer(rf"\b(?P<ruled_out>(?:not|isn't|can't do|except) (?:on |for )?)?(?P<day>{names})\b", said):
        day = Day(match["day"].capitalize())
        if match["ruled_out"]:
            days = [named for named in days if named is not day]
        elif days and re.search(rf"\b{days[-1].lower()} or (?:on )?{match['day']}\b", said):
            continue  # of "Tuesday or Wednesday" the first is tried first
        else:
            days.append(day)
    return days


def clock_time(said: str) -> int | None:
    """The last clear time of day, in minutes since midnight."""
    found: list[tuple[int, int]] = []
    taken: list[range] = []
    part = part_named(said)
    for pattern in _CLOCK:
        # Only the last time counts; without this bound, a sentence full of times takes milliseconds.
        for match in deque(re.finditer(pattern, said), maxlen=_LAST_TIMES):
            if not any(match.start() in span or match.end() - 1 in span for span in taken):
                taken.append(range(match.start(), match.end()))
                found.append((match.start(), _minute(match.groupdict(), part)))
    if not found and re.search(r"\b(?:noon|midday)\b", said):
        return 12 * 60
    return max(found)[1] if found else None


def bare_time(said: str) -> int | None:
    """A number that may be a time, if a time was asked for; "that one" is not."""
    said = re.sub(_NOT_A_TIME, " ", said)
    matches = list(re.finditer(_BARE, said))
    return _minute(matches[-1].groupdict(), part_named(said)) if matches else None


def _minute(parts: Mapping[str, str | None], part: Part | None) -> int:
    hour = _number(parts["h1"] or "")
    minute = _number(parts.get("min") or "0")
    if parts.get("half_past"):
        minute = 30
    elif parts.get("quarter_past"):
        minute = 15
    elif parts.get("quarter_to"):
        hour, minute = hour - 1, 45
    half = parts.get("half") or part or ""
    is_late = re.search(r"pm|afternoon|evening|night", half) is not None
    # A dentist's "two" is in the afternoon, unless the caller says otherwise.
    if hour < _NOON_H and (is_late or (hour < _FIRST_H and not half)):
        hour += _NOON_H
    return (hour % 24) * 60 + minute


def _number(word: str) -> int:
    word = word.replace(" ", "-")
    return _NUMBER_WORDS[word] if word in _NUMBER_WORDS else int(word)


def part_named(said: str) -> Part | None:
    """Morning or afternoon; a greeting does not count."""
    said = re.sub(r"\bgood (?:morning|afternoon|evening)\b", " ", said)
    if re.search(r"\bmornings?\b|\bbefore (?:noon|lunch)\b", said):
        return Part.MORNING
    return Part.AFTERNOON if re.search(r"\bafternoons?\b|\bafter (?:noon|lunch|work)\b", said) else None
