"""Words that say what a number is: "my pin is", "account number", "geboren am"."""

import re
from typing import Final, Literal

from retold.domain.pii.talk import Talk, Token
from retold.domain.pii.word_sets import FILLERS

Cue = Literal[
    "card",
    "card_code",
    "expiry",
    "ssn",
    "phone",
    "postal_code",
    "birth",
    "pin",
    "bank",
    "account",
    "passport",
    "license",
    "medical",
    "other",
]
REACH_WORDS: Final = 10
"""A cue counts for a number that follows within so many words, those of hesitation left out."""

_NUMBER: Final = r"(?: (?:account|card|member|membership|record|policy))?(?: (?:number|no|id|code|nummer))?"
_CUES: Final[dict[Cue, tuple[str, ...]]] = {
    "card": (
        rf"(?:(?:credit|debit|bank) )?card{_NUMBER}",
        "visa|mastercard|amex|american express",
        r"kreditkarte\w*|tarjeta",
    ),
    "card_code": (r"cvv2?|cvc2?|security code", r"(?:digit )?code (?:on|from) the (?:back|front)"),
    "expiry": (r"expir\w+(?: date)?(?: on the card)?", "(?:valid|good) (?:until|through|thru)", "gültig bis"),
    "ssn": (
        "(?:social security|social insurance|social|ssn)(?: (?:security )?number)?",
        "national insurance(?: number)?|tax id",
        "sozialversicherungsnummer",
    ),
    "phone": (
        "(?:(?:tele)?phone|cell(?:phone)?|mobile|landline|fax|contact|callback|whatsapp)(?: phone)?(?: number)?",
        "(?:my|best|your|his|her|our) number",
        r"(?:call|text|ring|reach|dial|fax)(?: (?:me|you|us|him|her|it|back|my \w+)){0,2}(?: (?:at|on|to))?",
        r"telefon\w*|handy\w*|rufnummer|meine nummer|teléfono|móvil|mi número|téléphone|portable|mon numéro",
    ),
    "postal_code": ("zip(?: code)?|post ?code|postal code|postleitzahl|plz|código postal|code postal",),
    "birth": (
        "born|birth ?da(?:y|te)|date of birth|birth|dob|and (?:what|the) year",
        "geboren|geburts(?:datum|tag)|nacimiento|nací|cumpleaños|naissance|née?|anniversaire",
    ),
    "pin": (
        "pin(?: (?:code|number))?|pass ?code|otp|geheimzahl",
        "(?:one time|verification|confirmation|access|texted|sms|unlock|login|authentication) (?:pass)?code",
        r"code (?:we|i|that)(?: \w+)? (?:texted|sent|gave)",
        "(?:door|gate|alarm|entry) code|code (?:for|to) the (?:door|gate|alarm|building)",
    ),
    "bank": (
        rf"(?:bank|checking|savings|current)(?: account)?{_NUMBER}|routing(?: transit)?{_NUMBER}|aba{_NUMBER}",
        r"sort code|iban|direct deposit(?: \w+){0,2} account|wire(?: \w+){0,3} account",
        "kontonummer|bankleitzahl|blz|cuenta(?: bancaria)?",
    ),
    "account": (
        rf"(?:account|customer|client|member|membership|loyalty|frequent flyer|rewards|subscriber|acct){_NUMBER}",
        "kunden(?:nummer|konto)|número de cliente|numéro (?:de )?client",
    ),
    "passport": (rf"passport{_NUMBER}", "(?:reise)?pass(?:nummer)?|pasaporte|passeport"),
    "license": (
        rf"(?:driv(?:er|ers|ers'|ing) )?(?:licen[cs]e|permit){_NUMBER}|dl{_NUMBER}",
        r"führerschein\w*|permiso de conducir|permis de conduire",
    ),
    "medical": (
        rf"(?:medicare|medicaid|nhs|mrn|chart|hospital|blue cross|health plan){_NUMBER}",
        rf"(?:medical|health|insurance|patient|subscriber)(?: (?:care|plan|insurance|health|card))?{_NUMBER}",
        r"(?:member|policy|subscriber|group) id|(?:group|policy) number|(?:kranken)?versicherung\w*|seguro",
    ),
    "other": (
        "(?:order|invoice|ticket|tracking|confirmation|reference)(?: (?:number|id|no))?",
        "(?:case|claim|flight|room|gate|item|model)(?: (?:number|id|no))?",
        "extension|version|license plate|balance|total|amount|price|costs?|points?|table for|appointment|press",
    ),
}
"""All patterns are of words as tokens have them: in lower case, without the 's of "driver's"."""
_PATTERNS: Final[dict[Cue, re.Pattern[str]]] = {
    cue: re.compile(rf"\b(?:{'|'.join(patterns)})\b") for cue, patterns in _CUES.items()
}
_SHORT_TURN_WORDS: Final = 8
"""So little of the other party does not break what one says: "mm-hmm", "go on", "okay, and then?"."""
_IS_MINE: Final = re.compile(r"(?:is|was|are|being)(?: (?:my|our|your|his|her|the))? ((?:\w+ ?){1,3})")


def cue_before(talk: Talk, token: Token) -> Cue | None:
    """What the nearest words in front of a number say that it is, in its turn or the two turns before."""
    return _nearest(" ".join(talk.words_before(token, 2)))


def cue_after(talk: Talk, token: Token) -> Cue | None:
    """The same from behind: "is my pin"."""
    said = _IS_MINE.match(" ".join(talk.words_after(token)[:5]))
    return _nearest(said[1]) if said else None


def goes_on(talk: Talk, before: Token, after: Token) -> bool:
    """Whether a party went on with what it was saying: the other said little, and asked for nothing else."""
    if before.turn == after.turn:
        return True
    if talk.turns[after.turn].is_alone:
        return False
    between = [token.word for turn in range(before.turn + 1, after.turn) for token in talk.tokens[turn]]
    return len(between) <= _SHORT_TURN_WORDS and _nearest(" ".join(between)) is None


def _nearest(text: str) -> Cue | None:
    """The cue that ends last, of those the longest."""
    found: list[tuple[int, int, Cue]] = [
        (match.end(), -match.start(), cue) for cue, pattern in _PATTERNS.items() for match in pattern.finditer(text)
    ]
    if not found:
        return None
    end, _, cue = max(found)
    between = [word for word in text[end:].split() if word not in FILLERS]
    return cue if len(between) <= REACH_WORDS else None
