"""What is in memory while nothing but reference counts frees it."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def no_cycle_collector() -> Generator[None]:
    """From here on only reference counts free memory."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def in_memory(kinds: tuple[type, ...]) -> list[str]:
    """The names of all objects of these kinds."""
    return [type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds)]
