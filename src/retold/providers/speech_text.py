"""From text as written to words as spoken, so that every written word keeps its place in the audio.

Numbers, money, times and abbreviations are spoken as other words, and more of them, than are written: "$42.50,"
is six spoken words, "3:30 PM" three. The text is verbalised as a whole sentence, because the reading of a
word can depend on its neighbours; then each spoken word is given back to the written word it came from.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_EXTRA_WORDS = 8
"""How many more words than it has alone a written word may become in its sentence."""
MAX_OPEN_ALIGNMENTS = 8

MAX_SENTENCE_WORDS = 60
"""Text without an end is cut here, after a comma where there is one in its second half."""
MAX_SPOKEN_CHARACTERS = 200
"""Of one written word; nobody listens to the rest of it."""

_WRITTEN_WORD = re.compile(r"\S+")
_CLOSING = "\"\u201d\u2019')]"
"""Quotation marks and brackets that may stand behind the end of a sentence."""
_SENTENCE_ENDS = (".", "!", "?", "…")
_HAS_SOUND = re.compile(r"\w")
_NOT_IN_A_KEY = re.compile(r"[\W_]+")
_CLAUSE_ENDS = (",", ";", ":", "—", "\u2013")
_ABBREVIATIONS = re.compile(
    r"Mr|Mrs|Ms|Dr|Prof|St|Mt|Ft|Gen|Gov|Sen|Rep|Capt|Lt|Col|Sgt|Rev|Hon|Pres|Supt|Maj|Adm|Fr|Nos?"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Mon|Tues?|Wed|Thu|Thurs|Fri|Sat|Apt|Ste|vs|e\.g|i\.e|approx|[A-Z]"
)
_TELEPHONE = re.compile(r"(?<![\w.])(\+?1[ .-]?)?\(?(\d{3})\)?[ .-]?(\d{3})[ .-](\d{4})(?!\w)")
_LONG_NUMBER = re.compile(r"(?<![\w.,$£€¥-])\d{7,}(?![\w%-]|[.,]\d)")
_BRACKETS = str.maketrans("[]{}", "()()")


@dataclass(frozen=True, slots=True)
class Verbalised:
    """A sentence ready to be spoken: `owners[n]` is the index of the written word that spoken word n belongs to."""

    spoken: str
    owners: tuple[int, ...]


def split_sentences(text: str) -> list[list[str]]:
    """The written words of each sentence; together exactly `text.split()`.

    Sentences end at . ! ? and at a new line, but not after an abbreviation or an initial ("Dr. Smith") or
    before a lower case word. One without any letter or digit is kept with the sentence before it.
    """
    sentences: list[list[str]] = []
    current: list[str] = []
    matches = list(_WRITTEN_WORD.finditer(text))
    for match, following in zip(matches, [*matches[1:], None], strict=False):
        current.append(match.group())
        if following is None or _ends_here(match.group(), text[match.end() : following.start()], following.group()):
            if sentences and not any(_HAS_SOUND.search(word) for word in current):
                sentences[-1] += current
            else:
                sentences.append(current)
            current = []
        elif len(current) == MAX_SENTENCE_WORDS:
            cut = _clause_end(current)
            sentences.append(current[:cut])
            current = current[cut:]
    return sentences


def ends_sentence(word: str) -> bool:
    """Whether a written word has the mark of an end of sentence, maybe within quotation marks or brackets."""
    return word.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def verbalise(written: Sequence[str], normalise: Callable[[str], str]) -> Verbalised:
    """Spell out one sentence with `normalise` (text to text, words separated by spaces) and keep track of its words."""

    def spell_out(text: str) -> str:
        return normalise(_spell_digits(text.translate(_BRACKETS)))

    bounded = [word[:MAX_SPOKEN_CHARACTERS] for word in written]
    spoken = spell_out(" ".join(bounded))
    words = spoken.split()
    alone = [spell_out(word).split() for word in bounded]
    if [word for part in alone for word in part] == words:
        return Verbalised(spoken, tuple(index for index, part in enumerate(alone) for _ in part))
    return Verbalised(spoken, tuple(_owners(alone, words)))


def _ends_here(word: str, gap: str, following: str) -> bool:
    if "\n" in gap:
        return True
    if not ends_sentence(word) or following[0].islower():
        return False
    return not (word.endswith(".") and _ABBREVIATIONS.fullmatch(word[:-1].lstrip("(\"\u201c\u2018'")))


def _clause_end(words: Sequence[str]) -> int:
    """How many of the words to take: up to the last comma in the second half, else all."""
    ends = (count for count in range(len(words), len(words) // 2, -1) if words[count - 1].endswith(_CLAUSE_ENDS))
    return next(ends, len(words))


def _spell_digits(text: str) -> str:
    """Telephone numbers and other long numbers are said digit by digit."""

    def telephone(match: re.Match[str]) -> str:
        country, *groups = match.groups()
        spelled = ", ".join(" ".join(group) for group in groups)
        return f"plus 1, {spelled}" if country and "+" in country else f"1, {spelled}" if country else spelled

    return _LONG_NUMBER.sub(lambda match: " ".join(match.group()), _TELEPHONE.sub(telephone, text))


@dataclass(frozen=True, slots=True)
class _Alignment:
    """The first written words shared out over the first spoken words; `runs` says how many each got."""

    cost: float
    runs: tuple[int, ...]


def _owners(alone: Sequence[Sequence[str]], words: Sequence[str]) -> list[int]:
    """Share `words` out in order over the written words, as like as possible to what each would be alone."""
    spoken_keys = [_key(word) for word in words]
    written_keys = [[_key(word) for word in part] for part in alone]
    open_alignments: dict[int, _Alignment] = {0: _Alignment(0.0, ())}
    for keys in written_keys:
        reached: dict[int, _Alignment] = {}
        for at, alignment in open_alignments.items():
            for run in range(min(len(keys) + MAX_EXTRA_WORDS, len(words) - at) + 1):
                cost = alignment.cost + _difference(keys, spoken_keys[at : at + run])
                if at + run not in reached or cost < reached[at + run].cost:
                    reached[at + run] = _Alignment(cost, (*alignment.runs, run))
        cheapest = sorted(reached.items(), key=lambda item: item[1].cost)[:MAX_OPEN_ALIGNMENTS]
        open_alignments = dict(cheapest)
    # What no alignment reached to the end belongs to the last written word.
    best = min(open_alignments.items(), key=lambda item: item[1].cost + len(words) - item[0])[1]
    owners = [index for index, run in enumerate(best.runs) for _ in range(run)]
    return owners + [len(alone) - 1] * (len(words) - len(owners))


def _key(word: str) -> str:
    return _NOT_IN_A_KEY.sub("", word).lower()


def _difference(alone: Sequence[str], run: Sequence[str]) -> float:
    """0 for equal words, about 1 for each other, missing or extra word; words without sound hardly count."""
    if alone == run:
        return 0.0
    one, other = [key for key in alone if key], [key for key in run if key]
    uneven = 0.1 * abs(len(alone) - len(run))
    if "".join(one) == "".join(other):
        return uneven
    from_front = sum(a != b for a, b in zip(one, other, strict=False))
    from_back = sum(a != b for a, b in zip(reversed(one), reversed(other), strict=False))
    changed = min(from_front, from_back)
    # A word that is said otherwise than it is alone is more likely to have become several; what is added to a word
    # that is not, as in "5 million dollars", mostly stands behind it.
    each_extra = 0.9 if changed else 1.1 if not from_front else 1.15
    return uneven + changed + each_extra * abs(len(one) - len(other))
