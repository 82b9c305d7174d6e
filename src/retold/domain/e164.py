"""Numbers as ITU-T E.164 writes them, `+14157774444`.

Google's library knows the numbering plans of the world: it is loaded with the first number, for it takes 3 MB that a
server without phone numbers need not spend.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber


def is_e164(number: str) -> bool:
    """Whether a number is written as E.164 and can exist."""
    from phonenumbers import is_possible_number  # noqa: PLC0415 - as said above

    parsed = _parsed(number)
    return parsed is not None and is_possible_number(parsed)


def pretty(number: str) -> str | None:
    """The number as people write it, `+1 (415) 777-4444`; None for a number that is not E.164."""
    from phonenumbers import PhoneNumberFormat, format_number  # noqa: PLC0415 - as said above

    parsed = _parsed(number)
    if parsed is None:
        return None
    if parsed.country_code == 1:
        return f"+1 {format_number(parsed, PhoneNumberFormat.NATIONAL)}"
    return format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def area_code(number: str) -> int | None:
    """The area code of a number in the United States, None for all others."""
    parsed = _parsed(number)
    return int(str(parsed.national_number)[:3]) if parsed is not None and country(number) == "US" else None


def country(number: str) -> str | None:
    """The country of a number by ISO 3166-1, `US`; None for a number that is of none, or not E.164."""
    from phonenumbers import REGION_CODE_FOR_NON_GEO_ENTITY, region_code_for_number  # noqa: PLC0415 - as said above

    parsed = _parsed(number)
    region = None if parsed is None else region_code_for_number(parsed)
    return None if region == REGION_CODE_FOR_NON_GEO_ENTITY else region


def _parsed(number: str) -> "PhoneNumber | None":
    from phonenumbers import (  # noqa: PLC0415 - as said above
        NumberParseException,
        PhoneNumberFormat,
        format_number,
        parse,
    )

    try:
        parsed = parse(number, None)
    except NumberParseException:
        return None
    return parsed if format_number(parsed, PhoneNumberFormat.E164) == number else None
