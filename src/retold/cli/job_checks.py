"""The check of `retold doctor` that names work of the background that was given up."""

from collections.abc import Iterator

from retold.cli.finding import Finding
from retold.errors import StorageError
from retold.settings import Settings, revealed

NAME = "jobs"


def check_jobs(settings: Settings) -> Iterator[Finding]:
    """None was given up, or how many and the newest of them."""
    try:
        from retold.storage.jobs import dead_jobs_outside

        dead = dead_jobs_outside(settings.data_dir, revealed(settings.database_url))
    except (StorageError, ImportError, OSError):
        # The check of the database says why it cannot be read.
        return
    if dead is None:
        yield Finding(NAME, "ok", "none was given up")
        return
    detail = f"{dead.count} given up, the newest: {dead.example}"
    yield Finding(NAME, "warning", detail, "PUT /rerun-call-analysis/{call_id} has a call analysed once more")
