"""Whose calls are erased: how a person is named."""

import pytest
from pydantic import ValidationError

from retold.domain.erasure import Person


def test_a_number_is_looked_for_as_it_was_given_and_as_it_is_dialled() -> None:
    assert Person(phone_number="+1 (415) 555-0100").numbers == ("+1 (415) 555-0100", "+14155550100")
    assert Person(phone_number="+14155550100").numbers == ("+14155550100",)


def test_who_is_named_by_metadata_has_no_number() -> None:
    person = Person(metadata_key="customer_id", metadata_value="cus_1")
    assert person.numbers == ()
    assert (person.named_by, person.text) == ("metadata.customer_id", b"metadata.customer_id=cus_1")


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"metadata_key": "customer_id"},
        {"metadata_value": "cus_1"},
        {"phone_number": "+14155550100", "metadata_key": "customer_id", "metadata_value": "cus_1"},
        {"phone_number": "+14155550100", "metadata_key": "customer_id"},
    ],
    ids=str,
)
def test_a_person_is_named_in_one_way(named: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="name a person by"):
        Person.model_validate(named)
