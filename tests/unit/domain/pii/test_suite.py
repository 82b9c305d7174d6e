"""The targets of the suite, for the cases that the detectors were tuned with and for those that they were not."""

import pytest

from retold.domain.pii.categories import CATEGORIES, PiiCategory
from retold.domain.pii.find import find_in_turns
from support.pii_cases import BY_PATTERN, Case, cases, scored

BY_LIST: tuple[PiiCategory, ...] = ("person_name", "address")
TUNED = [case for case in cases() if not case.is_held_out]
HELD_OUT = [case for case in cases() if case.is_held_out]


@pytest.mark.parametrize("chosen", [pytest.param(TUNED, id="tuned"), pytest.param(HELD_OUT, id="held out")])
def test_enough_is_found_and_little_else(chosen: list[Case]) -> None:
    score = scored(chosen, find_in_turns)
    assert score.recall(BY_PATTERN) >= 95
    assert score.recall(BY_LIST) >= 85
    assert score.precision >= 95
    assert score.clean_untouched >= 0.95 * score.clean


def test_the_suite_is_large_and_balanced() -> None:
    score = scored(cases(), find_in_turns)
    assert len(cases()) >= 300
    assert score.clean >= 60
    assert all(score.expected[category] >= 15 for category in CATEGORIES)
    assert len(cases()) / 4 < len(HELD_OUT) < len(cases()) / 2
