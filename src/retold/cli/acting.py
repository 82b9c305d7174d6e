"""Who gives a command, for the audit log."""

import getpass
import os
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def acting_command() -> Generator[None]:
    """What is changed inside is told as this user's of the machine."""
    from retold.domain.audit import Actor
    from retold.storage.audit import acting

    with acting(Actor("command", _user())):
        yield


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container, a number may be all there is.
        return str(os.getuid())
