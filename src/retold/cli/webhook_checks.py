"""The check of `retold doctor` that names webhooks to which nothing, or hardly anything, is sent any more."""

from collections.abc import Iterator

from retold.cli.delivered import shown
from retold.cli.finding import Finding
from retold.errors import StorageError
from retold.settings import Settings, revealed

NAME = "webhooks"
_MAX_URL_CHARS = 120


def check_webhooks(settings: Settings) -> Iterator[Finding]:
    """All are well, or a line for each that is not."""
    try:
        from retold.storage.webhook_health import troubled_endpoints

        found = troubled_endpoints(settings.data_dir, revealed(settings.database_url))
    except (StorageError, ImportError, OSError):
        # The check of the database says why it cannot be read.
        return
    if not found:
        yield Finding(NAME, "ok", "none is in trouble")
    for endpoint in found:
        # A query may hold a secret.
        url = shown(endpoint.url.partition("?")[0], _MAX_URL_CHARS)
        if endpoint.is_disabled:
            fix = f"retold webhooks enable {endpoint.endpoint_id}"
            yield Finding(NAME, "warning", f"{url} has answered 410: nothing is sent there", fix)
        else:
            waiting = "1 event waits" if endpoint.waiting == 1 else f"{endpoint.waiting} events wait"
            detail = f"{url} failed {endpoint.failures} times in a row; {waiting}"
            yield Finding(NAME, "warning", detail, "`retold webhooks endpoints` says why and when it is tried again")
