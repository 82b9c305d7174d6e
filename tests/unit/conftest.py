"""Unit tests touch no network; the loop's own pair of Unix sockets is all they get."""

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Refuse every socket but Unix ones while a unit test runs."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
