"""When jobs are tried again."""

from retold.domain.job_schedule import ATTEMPTS, DELAYS_MS, retry_in_ms


def test_a_job_is_tried_again_ever_later_and_then_given_up() -> None:
    waits = [retry_in_ms(attempts) for attempts in range(1, ATTEMPTS + 2)]
    assert waits == [*DELAYS_MS, None, None]
    assert list(DELAYS_MS) == sorted(DELAYS_MS)
