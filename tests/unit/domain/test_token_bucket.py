from hypothesis import given
from hypothesis import strategies as st

from retold.domain.token_bucket import MAX_NAMES, TokenBuckets


def test_a_burst_is_taken_at_once_and_then_so_many_a_second() -> None:
    buckets = TokenBuckets(per_s=2, burst=3)
    assert [buckets.take("a", 10.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 10.0) == 0.5
    assert buckets.take("a", 10.25) == 0.25
    assert buckets.take("a", 10.5) == 0
    assert buckets.take("b", 10.5) == 0


def test_what_was_given_back_is_there_again_and_never_more_than_the_burst() -> None:
    buckets = TokenBuckets(per_s=0.1, burst=2)
    buckets.give_back("a", 0.0)
    assert [buckets.take("a", 0.0) for _ in range(2)] == [0, 0]
    assert buckets.take("a", 0.0) > 0
    buckets.give_back("a", 0.0)
    assert buckets.take("a", 0.0) == 0


def test_the_number_of_buckets_is_bounded_and_the_oldest_is_forgotten() -> None:
    buckets = TokenBuckets(per_s=1, burst=1)
    for number in range(MAX_NAMES + 1):
        assert buckets.take(str(number), 0.0) == 0
    assert buckets.take(str(MAX_NAMES), 0.0) > 0
    assert buckets.take("0", 0.0) == 0


@given(st.lists(st.floats(0, 10), max_size=200).map(sorted))
def test_no_more_is_ever_granted_than_the_burst_and_the_rate_allow(times_s: list[float]) -> None:
    buckets = TokenBuckets(per_s=3, burst=5)
    granted = [at_s for at_s in times_s if buckets.take("a", at_s) == 0]
    for first, start_s in enumerate(granted):
        for last, end_s in enumerate(granted[first:], start=first):
            assert last - first + 1 <= 5 + 3 * (end_s - start_s) + 1e-6
