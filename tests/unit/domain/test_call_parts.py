"""The parts of a call object that are worked out."""

from retold.domain.call_parts import LlmTokenUsage


def test_the_usage_of_tokens_has_a_value_for_each_request() -> None:
    assert LlmTokenUsage.of([10, 21, 30]) == LlmTokenUsage(average=20.33, num_requests=3, values=[10, 21, 30])


def test_without_requests_there_is_no_usage() -> None:
    assert LlmTokenUsage.of([]) is None
