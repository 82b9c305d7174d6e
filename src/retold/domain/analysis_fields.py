"""An agent's fields read out of a call without a language model: only what is certain, all else is left out.

In this order: a variable that the call collected under the field's name, an argument of that name that a tool took, the
caller's yes or no to a question that names the field, and a pattern of which the caller's words hold exactly one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from pydantic import JsonValue

from retold.domain.agent_options import EnumAnalysisItem
from retold.domain.analysis import AnalysisField
from retold.domain.conversation import Conversation

_WORD: Final = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_COUNTED: Final = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBERS: Final[Mapping[str, float]] = {word: value for value, word in enumerate(_COUNTED.split())}
_PATTERNS: Final = (
    (("email", "mail"), re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    (("phone", "telephone", "mobile"), re.compile(r"\+?\d[\d ()./-]{5,}\d")),
)
_YES: Final = re.compile(r"(yes|yeah|yep|correct|that's right|of course|sure)\b")
_NO: Final = re.compile(r"(no|nope|not really)\b(?! (problem|worries))")
_VAGUE: Final = frozenset({"yes", "no", "other", "none", "unknown", "maybe", "a", "the", "n/a", "good", "ok"})
"""Choices that callers say without meaning them."""
_SMALL_WORDS: Final = (
    "is are was were has have had do does did the a an of to in on for and or if whether you your user caller customer"
    " wants number how many"
)
_SMALL: Final = frozenset(_SMALL_WORDS.split())


def values_of(
    fields: Iterable[AnalysisField], conversation: Conversation, collected: Mapping[str, str]
) -> dict[str, JsonValue]:
    """The fields of which the call leaves no doubt; those with a condition need a mind to tell whether it holds."""
    found: dict[str, JsonValue] = {}
    for field in fields:
        if field.conditional_prompt and not field.required:
            continue
        candidates = list(_named(field, conversation, collected)) or list(_heard(field, conversation))
        if len({repr(one) for one in candidates}) == 1:
            found[field.name] = candidates[0]
    return found


def _named(field: AnalysisField, conversation: Conversation, collected: Mapping[str, str]) -> Iterator[JsonValue]:
    """The value that the call itself knows under the field's name: the newest one only."""
    taken = [done.arguments[field.name] for done in conversation.done if field.name in done.arguments]
    for value in (collected.get(field.name), *reversed(taken)):
        fitting = _as_type(field, value)
        if fitting is not None:
            yield fitting
            return


def _as_type(field: AnalysisField, value: Any) -> JsonValue:
    """The value as one of the field, None when it is none."""
    if isinstance(field, EnumAnalysisItem):
        return next((choice for choice in field.choices if choice.lower() == str(value).lower()), None)
    match field.type:
        case "boolean":
            return {"true": True, "false": False}.get(str(value).lower())
        case "number":
            return _number(value)
        case _:
            return value if isinstance(value, str) and value.strip() else None


def _number(value: Any) -> float | int | None:
    if isinstance(value, int | float):
        return None if isinstance(value, bool) else value
    text = str(value)
    if not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return None
    return float(text) if "." in text else int(text)


def _heard(field: AnalysisField, conversation: Conversation) -> Iterator[JsonValue]:
    """Each value that the caller's words give for the field; two different ones are none."""
    utterances = conversation.by("user")
    if isinstance(field, EnumAnalysisItem):
        yield from _choices(field.choices, utterances)
    elif field.type == "number":
        yield from _counted(_key_words(f"{field.name} {field.description}"), utterances)
    elif field.type == "boolean":
        yield from _answers(_key_words(field.name), conversation)
    else:
        words = set(_WORD.findall(field.name.lower().replace("_", " ")))
        for names, pattern in _PATTERNS:
            if words.intersection(names):
                yield from (match[0] for text in utterances for match in pattern.finditer(text))


def _choices(choices: Sequence[str], utterances: Sequence[str]) -> Iterator[str]:
    """The choices that the caller named, unless callers say one of them without meaning it."""
    if any(choice.lower() in _VAGUE for choice in choices):
        return
    for choice in choices:
        named = re.compile(rf"(?<!\w){re.escape(choice.lower())}(?!\w)")
        if any(named.search(text.lower()) for text in utterances):
            yield choice


def _counted(words: frozenset[str], utterances: Sequence[str]) -> Iterator[float | int]:
    """Each number that stands right before a word of the field: `four guests`."""
    for text in utterances:
        spoken = _WORD.findall(text.lower())
        for number, word in pairwise(spoken):
            if _stem(word) in words:
                value = _NUMBERS.get(number, _number(number))
                if value is not None:
                    yield value


def _answers(words: frozenset[str], conversation: Conversation) -> Iterator[bool]:
    """The caller's yes or no to each question of the agent that has all words of the field's name in it."""
    for asked, answered in pairwise(conversation.said):
        is_question = asked.role == "agent" and answered.role == "user" and asked.text.rstrip().endswith("?")
        if is_question and words and words <= _key_words(asked.text):
            text = answered.text.lower().lstrip()
            if _YES.match(text):
                yield True
            elif _NO.match(text):
                yield False


def _key_words(text: str) -> frozenset[str]:
    words = _WORD.findall(text.lower().replace("_", " "))
    return frozenset(_stem(word) for word in words if word not in _SMALL)


def _stem(word: str) -> str:
    return word.removesuffix("s")
