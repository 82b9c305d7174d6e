import pytest

from retold.domain.pii.categories import CATEGORIES
from retold.domain.pii.scrub import scrub, scrub_json


def test_a_text_gets_marks() -> None:
    assert scrub("My name is John Doe, card 4242 4242 4242 4242.", CATEGORIES) == (
        "My name is [PERSON_NAME], card [CREDIT_CARD]."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"pin":1234,"count":12,"ok":true,"x":null}', '{"pin":"[PIN]","count":12,"ok":true,"x":null}'),
        ('{"customerName": "zork"}', '{"customerName":"[PERSON_NAME]"}'),
        ('{"a": [{"street_address": "742 Evergreen Terrace"}]}', '{"a":[{"street_address":"[ADDRESS]"}]}'),
        ('["call me at 415-555-2671"]', '["call me at [PHONE_NUMBER]"]'),
        ('{"note": "hello",  "n": 4711}', '{"note": "hello",  "n": 4711}'),
        ("call me at 415-555-2671", "call me at [PHONE_NUMBER]"),
        ("", ""),
        ('{"email": "Michael"}', '{"email":"[PERSON_NAME]"}'),
    ],
)
def test_json_is_scrubbed_value_by_value(text: str, expected: str) -> None:
    assert scrub_json(text, CATEGORIES) == expected


def test_what_is_too_long_to_be_searched_is_not_shown() -> None:
    assert scrub_json('{"note":"' + "a" * 200_000 + '"}', CATEGORIES) == "[TEXT]"
