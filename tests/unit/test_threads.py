"""The pool of threads for what blocks."""

from threading import enumerate as running_threads

from retold.threads import started_pool


def names(prefix: str) -> list[str]:
    return [one.name for one in running_threads() if one.name.startswith(prefix)]


def test_every_thread_runs_before_there_is_work() -> None:
    before = len(names("retold-work"))
    with started_pool(5) as pool:
        assert len(names("retold-work")) - before == 5
        assert list(pool.map(str, range(20))) == [str(number) for number in range(20)]
        assert len(names("retold-work")) - before == 5
    assert len(names("retold-work")) == before
