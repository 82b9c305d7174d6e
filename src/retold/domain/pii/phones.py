"""Which digits can be a telephone number that somebody has, without words that say so."""


def is_phone_number(digits: str, *, has_plus: bool) -> bool:
    """Whether these are a number of the world when a plus stands before them, else one of North America.

    Google's library knows the numbering plans; it is loaded with the first number that is long enough.
    """
    if not has_plus and not (len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")):
        return False
    if not 8 <= len(digits) <= 15:
        return False
    from phonenumbers import NumberParseException, is_possible_number, is_valid_number, parse  # noqa: PLC0415 - 3 MB

    try:
        number = parse(f"+{digits}" if has_plus else digits, None if has_plus else "US")
    except NumberParseException:
        return False
    return is_possible_number(number) if has_plus else is_valid_number(number)
