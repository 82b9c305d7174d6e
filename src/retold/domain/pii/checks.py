"""Check digits and ranges: what a number must satisfy to be a card, a bank account or a social security number."""

import re
from typing import Final

_CARD: Final = re.compile(
    r"(?:4\d{12}(?:\d{3})?(?:\d{3})?|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:6\d|35|62)\d{14,17})"
)
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_IBAN_CHARS: Final = {
    "AT": 20, "BE": 16, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "IE": 22,
    "IT": 27, "LU": 20, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "SE": 24,
}  # fmt: skip


def is_luhn(digits: str) -> bool:
    """Whether the last digit checks the others, as on payment cards (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Whether these can be the digits of a payment card: a known network's first ones, its length, and the check."""
    return _CARD.fullmatch(digits) is not None and is_luhn(digits)


def is_iban(chars: str) -> bool:
    """Whether this is an IBAN, written without spaces: modulo 97 (ISO 13616), and the length where it is known."""
    upper = chars.upper()
    if not _IBAN.fullmatch(upper) or len(upper) != _IBAN_CHARS.get(upper[:2], len(upper)):
        return False
    return int("".join(str(int(char, 36)) for char in upper[4:] + upper[:4])) % 97 == 1


def is_routing_number(digits: str) -> bool:
    """Whether these nine digits are a bank's in the United States (the check of the American Bankers Association)."""
    weights = (3, 7, 1) * 3
    return len(digits) == 9 and sum(int(one) * weight for one, weight in zip(digits, weights, strict=True)) % 10 == 0


def is_ssn(digits: str) -> bool:
    """Whether nine digits can be a social security number: no part is zero, and the first is one that is given out."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"
