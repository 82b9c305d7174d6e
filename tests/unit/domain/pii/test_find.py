"""Single rules of the detectors that the suite does not show by itself; a turn each, " // " between turns."""

import pytest

from retold.domain.pii.categories import CATEGORIES, Span, with_marks
from retold.domain.pii.checks import is_card, is_iban, is_luhn, is_routing_number, is_ssn
from retold.domain.pii.find import find, find_in_turns
from retold.domain.pii.numerals import number_at
from retold.domain.pii.phones import is_phone_number
from retold.domain.pii.talk import Turn


def marked(conversation: str) -> str:
    """The conversation with marks; "A: " says that a turn is the agent's."""
    turns = [
        Turn("agent", part[3:]) if part.startswith("A: ") else Turn("user", part) for part in conversation.split(" // ")
    ]
    spans = find_in_turns(turns, CATEGORIES)
    return " // ".join(with_marks(turn.text, found) for turn, found in zip(turns, spans, strict=True))


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ("double oh seven is no name", "double oh seven is no name"),
        ("my pin is double oh seven one", "my pin is [PIN]"),
        ("my pin is double 5 triple one", "my pin is [PIN]"),
        ("it is double or nothing", "it is double or nothing"),
        ("born two thousand and five", "born [DATE_OF_BIRTH]"),
        ("my account number is since 2015", "my account number is since 2015"),
        ("the account costs 5000 dollars", "the account costs 5000 dollars"),
        ("my account has $4711", "my account has $4711"),
        ("GB29 ABCD 1234 5678 9012 is none", "GB29 ABCD 1234 5678 9012 is none"),
        ("GB29 NWBK 6016 1331 9268 19 USA", "[BANK_ACCOUNT] USA"),
        ("the wire for Chase, then 021000021", "the wire for Chase, then [BANK_ACCOUNT]"),
        ("my membership expires 12/27", "my membership expires 12/27"),
        ("My card number is " + "4242-" * 8 + "4", "My card number is [CREDIT_CARD]"),
        ("my visa expires 12/27", "my visa expires [CREDIT_CARD]"),
        ("my order number is 4155552671", "my order number is 4155552671"),
        ("0151 2345 is plus 0 0 0 0 0 0 0 0 0", "0151 2345 is plus 0 0 0 0 0 0 0 0 0"),
    ],
)
def test_numbers(conversation: str, expected: str) -> None:
    assert marked(conversation) == expected


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ("A: What's your name? // zork", "What's your name? // [PERSON_NAME]"),
        ("A: What's your name? // why do you ask", "What's your name? // why do you ask"),
        ("A: Who is calling? // It's 42", "Who is calling? // It's 42"),
        ("I saw the doctor", "I saw the doctor"),
        ("please call mr. ", "please call mr. "),
        ("ask doctor ramirez or the doctor on call", "ask [PERSON_NAME] or the doctor on call"),
        ("this is zbigniew calling", "this is [PERSON_NAME] calling"),
        ("spell it: a b c", "spell it: [PERSON_NAME]"),
        ("press a b c", "press a b c"),
        ("My name is Will", "My name is [PERSON_NAME]"),
        ("My name is Not important", "My name is Not important"),
        ("Done. Smith saw Nguyen", "Done. Smith saw [PERSON_NAME]"),
        ("Grace Nguyen came with Faith", "[PERSON_NAME] came with [PERSON_NAME]"),
        ("we said rose nguyen and may", "we said [PERSON_NAME] and may"),
        ("Anna-Maria Jones Smith Brown called", "[PERSON_NAME] [PERSON_NAME] called"),
    ],
)
def test_names(conversation: str, expected: str) -> None:
    assert marked(conversation) == expected


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ("6 and a half street", "6 and a half street"),
        ("street of dreams", "street of dreams"),
        ("I am at 5th avenue", "I am at [ADDRESS]"),
        ("it takes 5 road", "it takes 5 road"),
        ("the calle is and 5", "the calle is and 5"),
        ("la calle de la luna llena azul", "la calle de la luna llena azul"),
        ("Am Lindenweg 7. Danach 3.", "Am [ADDRESS]. Danach 3."),
        ("12 rue de la Paix et puis", "[ADDRESS] et puis"),
        ("12 rue des Fleurs", "[ADDRESS]"),
        ("12 Oak Street! Boston is nice", "[ADDRESS]! Boston is nice"),
        ("12 oak street one two three four five", "[ADDRESS]"),
        ("A: Your address? // number 12 somewhere", "Your address? // number [ADDRESS]"),
        ("A: Your address? // 12", "Your address? // 12"),
        ("A: Your address? // I will not say", "Your address? // I will not say"),
    ],
)
def test_addresses(conversation: str, expected: str) -> None:
    assert marked(conversation) == expected


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ("the password is not wrong", "the password is not wrong"),
        ("tell me the password ", "tell me the password "),
        ("my password don't work", "my password don't work"),
        ("the password is: ", "the password is: "),
        ("A: Your password? // it's " + "very " * 9, "Your password? // it's " + "very " * 9),
        ("born in march // A: " + "and so it goes on " * 3 + " // 1985", None),
        ("jane at red dot place", "[PERSON_NAME] at red dot place"),
        ("my email is jane at red dot place", "my email is [EMAIL]"),
        ("my email is at red dot place", "my email is at red dot place"),
    ],
)
def test_passwords_dates_and_mail(conversation: str, expected: str | None) -> None:
    assert marked(conversation) == (expected or conversation.replace("A: ", ""))


def test_only_what_is_wanted_is_found() -> None:
    assert find("I'm Michael, card 4242 4242 4242 4242", ["credit_card"]) == [Span(18, 37, "credit_card")]
    assert find("my account number is 77319", ["bank_account"]) == [Span(21, 26, "bank_account")]
    assert find("my account number is 77319", ["pin"]) == []


def test_what_overlaps_is_one_with_the_name_that_says_most() -> None:
    assert find("it is john at gmail dot com", CATEGORIES) == [Span(6, 27, "email")]
    assert find("my password is John", CATEGORIES) == [Span(15, 19, "password")]
    assert find("my pin is 4711 and my pin is 4711", CATEGORIES) == [Span(10, 14, "pin"), Span(29, 33, "pin")]


def test_what_stands_alone_belongs_to_nobodys_speech() -> None:
    turns = [Turn("", "pin is 47", is_alone=True), Turn("", "11", is_alone=True), Turn("", "zork", is_alone=True)]
    assert find_in_turns(turns, CATEGORIES) == [[], [], []]


def test_no_text_takes_time_out_of_proportion() -> None:
    for text in ("a" * 100_000, "4 2 " * 3_000, "at dot " * 3_000, "password " * 3_000, "john " * 3_000):
        find(text, CATEGORIES)


@pytest.mark.parametrize(
    ("said", "digits"),
    [("one hundred", "100"), ("two hundred and five", "205"), ("two thousand 5", "2000"), ("", ""), ("double", "")],
)
def test_number_words(said: str, digits: str) -> None:
    assert number_at(said.split(), 0)[0] == digits


def test_check_digits() -> None:
    assert is_luhn("79927398713")
    assert not is_luhn("79927398714")
    assert is_card("378282246310005")
    assert not is_card("4242424242424241")
    assert is_iban("DE89370400440532013000")
    assert not is_iban("DE88370400440532013000")
    assert not is_iban("DE8937040044053201300")
    assert is_routing_number("021000021")
    assert not is_routing_number("021000022")
    assert is_ssn("219099999")
    assert not any(is_ssn(digits) for digits in ("000121234", "666121234", "900121234", "123001234", "123450000", "1"))


@pytest.mark.parametrize(
    ("digits", "has_plus", "is_one"),
    [
        ("4155552671", False, True),
        ("14155552671", False, True),
        ("24155552671", False, False),
        ("1155552671", False, False),
        ("4930901820", True, True),
        ("123", True, False),
        ("0000000000", True, False),
    ],
)
def test_phone_numbers(digits: str, *, has_plus: bool, is_one: bool) -> None:
    assert is_phone_number(digits, has_plus=has_plus) == is_one
