"""Which status an unknown id is answered with."""

from collections.abc import Generator
from contextlib import contextmanager

from retold.errors import NoSuchResource, NotFound


@contextmanager
def unknown_is_404() -> Generator[None]:
    """Routes about versions, flows and components answer 404 where others answer 422."""
    try:
        yield
    except NotFound as error:
        raise NoSuchResource(error.message, field=error.field, fix=error.fix) from error
