"""What a caller's sentence means to Ada: words in, a small set of facts out. Pure, and tolerant of mishearing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final, TypeVar

from retold.demo.practice import Day, Part
from retold.demo.spoken import bare_time, clock_time, days_named, normalised, part_named

_Value = TypeVar("_Value")
_MAX_READ_CHARS: Final = 400


class Task(Enum):
    """Something Ada does with the diary."""

    BOOK = auto()
    MOVE = auto()
    CANCEL = auto()


class Info(Enum):
    """Something Ada can tell, in the order she tells it."""

    WHO = auto()
    HOURS = auto()
    INSURANCE = auto()
    PRICE = auto()
    ADDRESS = auto()


class Service(StrEnum):
    """What people come for, spelled as it is spoken."""

    CLEANING = "cleaning"
    CHECK_UP = "check-up"
    FILLING = "filling"
    WHITENING = "whitening"
    TOOTHACHE = "toothache"


class Pick(Enum):
    """A choice among offered times."""

    FIRST = auto()
    SECOND = auto()
    LAST = auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one utterance of the caller says; nothing of the conversation around it."""

    infos: tuple[Info, ...] = ()
    task: Task | None = None
    service: Service | None = None
    day: Day | None = None
    """The day that counts: the last one named, unless it was ruled out."""
    other_day: Day | None = None
    """A day named before it, as in "from Tuesday to Friday"."""
    is_to_day: bool = False
    """The day was named as a goal: "to Friday"."""
    minute: int | None = None
    """A time that was clearly one."""
    bare_minute: int | None = None
    """A number that is a time if a time was asked for."""
    part: Part | None = None
    pick: Pick | None = None
    has_relative_day: bool = False
    is_correction: bool = False
    is_yes: bool = False
    is_no: bool = False
    is_goodbye: bool = False
    is_thanks: bool = False
    is_hello: bool = False
    is_repeat: bool = False
    is_hold: bool = False
    is_empty: bool = False

    @property
    def has_slot(self) -> bool:
        """Whether a day or a time was named."""
        return self.day is not None or self.minute is not None


def _words(*alternatives: str) -> re.Pattern[str]:
    """Any of these, as whole words; each may be a regular expression."""
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


_TASKS: Final = (
    (Task.CANCEL, _words(r"cancel\w*", "call off", "can't make it", "cannot make it")),
    (
        Task.MOVE,
        _words(
            *("move", "reschedule", "rebook", "postpone", "push back", "(?:a different|another) (?:day|time)"),
            r"change (?:my|the|our|that|an) (?:\w+ )?appointment",
        ),
    ),
    (
        Task.BOOK,
        _words(
            *(
                r"book\w*",
                "appointment",
                "schedule",
                "come in",
                "see (?:the|a) (?:dentist|doctor)",
                "slot",
                "fit me in",
            ),
            *(r"availab\w+", "make an", "set up a", "openings?(?= (?:on|for|this|next))", "anything (?:free|open)"),
        ),
    ),
)
_INFOS: Final = (
    (
        Info.WHO,
        _words("(?:who|what) are you", "who is this", "robot", "human", "real person", "your name", "an ai", "machine"),
    ),
    (
        Info.HOURS,
        _words(
            *("hours", r"(?:are|were) you (?:guys )?(?:\w+ )?open", "you(?:'re)? open", "do you (?:open|close)"),
            *(r"(?:when|what time) (?:do|are|does) (?:you|the \w+) (?:guys )?(?:open|close)\w*", "closed"),
            "(?:opening|closing) times?",
        ),
    ),
    (
        Info.INSURANCE,
        _words(
            *(r"insur\w+", "cover(?:ed|age|s)?", "aetna", "cigna", "delta", "metlife", "medicaid", "medicare"),
            "in network",
        ),
    ),
    (Info.PRICE, _words("how much", r"pric\w+", "costs?", "charge", "fees?", "expensive")),
    (
        Info.ADDRESS,
        _words("address", "where (?:are|is)", r"locat\w+", "parking", "park", "directions", "how do i (?:get|find)"),
    ),
)
_SERVICES: Final = (
    (
        Service.TOOTHACHE,
        _words("toothache", r"hurt\w*", r"pain\w*", "emergency", "broken", "chipped", "aching", "aches"),
    ),
    (Service.CLEANING, _words(r"clean\w*", "hygienist")),
    (Service.CHECK_UP, _words("checkup", r"exam\w*", "x-?rays?")),
    (Service.FILLING, _words(r"filling\w*", r"cavit\w+")),
    (Service.WHITENING, _words(r"whiten\w*", r"bleach\w*")),
)
_PICKS: Final = (
    (Pick.SECOND, _words("second(?! please)", "middle")),
    (Pick.LAST, _words("last", "latest", "later", "third")),
    (
        Pick.FIRST,
        _words(
            "first", "earliest", "earlier", "soonest", "any(?: one| of (?:them|those)|time)?", "either", "whichever"
        ),
    ),
)
_YES: Final = _words(
    *("yes", "yeah", "yep", "yup", "yah", "sure", "correct", "right", "exactly", "absolutely", "definitely", "perfect"),
    *(
        "great",
        "okay",
        "ok",
        "fine",
        "good",
        "works",
        "please do",
        "go ahead",
        "of course",
        "book it",
        "do (?:it|that)",
    ),
    *("that one", "certainly", "mhm", "uh-huh", "mm-hmm"),
)
_NOT_YES: Final = _words(r"(?:not|don't|isn't|doesn't) (?:\w+ )?(?:right|good|fine|correct|work|great|sure|okay)")
_NO: Final = _words("no", "nope", "nah", "not", "don't", "never ?mind", "wrong")
_CORRECTION: Final = _words(
    *("wait", "no", "not", "actually", "instead", "rather", "make (?:that|it)", "i mean", "i meant", "sorry"),
    *("change (?:that|it|to)", "hold on", "on second"),
)
_GOODBYE: Final = _words(
    *("goodbye", "bye", "good night", "see you", "hang up", "nothing else", "talk to you later"),
    *(
        "that(?:'s| is|'ll be| will be) (?:all|it|everything)(?! right)",
        "have a (?:nice|good|great) (?:day|one|evening)",
    ),
)
_REPEAT: Final = re.compile(
    r"\b(?:repeat|say (?:that |it )?again|pardon|come again|what did you say|once more|one more time"
    r"|(?:didn't|did not|couldn't) (?:catch|hear|get) (?:that|you))\b|^(?:sorry|what|huh|excuse me)$"
)
_HOLD: Final = re.compile(
    r"^(?:(?:oh|um|uh|so|hmm|okay|please|just) )*"
    r"(?:wait|hold on|hang on|one (?:moment|second)|a (?:moment|second|minute|sec)|let me (?:think|see|check))"
    r"(?: (?:please|so|um|uh|a moment|a second))*$"
)
_FILLER: Final = _words("um+", "uh+", "er+", "hmm+", "mm+", "ah", "oh")
_DAY_AS_GOAL: Final = re.compile(r"\b(?:to|for|on|make (?:that|it)|until) (?:next |this )?\w+day\b")
_RELATIVE_DAY: Final = _words("today", "tomorrow", "tonight", "next week", "asap", "as soon as")
_THANKS: Final = _words(r"thank\w*", "cheers")
_HELLO: Final = _words("hello", "hi", "hey", "good (?:morning|afternoon|evening)")


def understand(text: str) -> Meaning:
    """Read one utterance, of a very long one the end; never fails, at worst the meaning says nothing."""
    said = normalised(text[-_MAX_READ_CHARS:])
    days = days_named(said)
    minute = clock_time(said)
    return Meaning(
        infos=tuple(info for info, pattern in _INFOS if pattern.search(said)),
        task=_first(_TASKS, said),
        service=_first(_SERVICES, said),
        day=days[-1] if days else None,
        other_day=days[-2] if len(days) > 1 else None,
        is_to_day=_has(_DAY_AS_GOAL, said),
        minute=minute,
        bare_minute=None if minute is not None else bare_time(said),
        part=part_named(said),
        pick=_first(_PICKS, said),
        has_relative_day=_has(_RELATIVE_DAY, said),
        is_correction=_has(_CORRECTION, said),
        is_yes=_has(_YES, said) and not _has(_NOT_YES, said),
        is_no=_has(_NO, said),
        is_goodbye=_has(_GOODBYE, said),
        is_thanks=_has(_THANKS, said),
        is_hello=_has(_HELLO, said),
        is_repeat=_has(_REPEAT, said),
        is_hold=_has(_HOLD, said),
        is_empty=not _FILLER.sub("", said).strip() or said == "unintelligible audio",
    )


def _has(pattern: re.Pattern[str], said: str) -> bool:
    return pattern.search(said) is not None


def _first(table: Iterable[tuple[_Value, re.Pattern[str]]], said: str) -> _Value | None:
    return next((value for value, pattern in table if pattern.search(said)), None)
