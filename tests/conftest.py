"""What every test shares: the event loop, the hypothesis profile and the check for leaked tasks."""

import asyncio
import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import anyio
import anyio.lowlevel
import coverage
import pytest
from hypothesis import settings as hypothesis_settings

from support import database
from support.virtual_time import VIRTUAL_BACKEND, VirtualTimeLoop

_PASSES_TO_FINISH = 10
"""Turns of the loop that a cancelled task may take to finish before it counts as leaked."""
_THREADS_MAY_TAKE_S = 5.0
"""In real time a task may also be about to finish once a thread has answered, as that of a call whose end was just seen
in the database."""

# Time limits belong to pytest-timeout: a slow machine must not fail a property.
hypothesis_settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis_settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Plain asyncio, or virtual time for a module whose `pytestmark` says `virtual_time`."""
    wants_virtual_time = any(mark.name == "virtual_time" for mark in request.node.iter_markers())
    return VIRTUAL_BACKEND if wants_virtual_time else "asyncio"


@pytest.fixture(scope="session", autouse=True)
def shared_postgres_ends() -> Generator[None]:
    """Leave no database server behind."""
    yield
    database.stop_shared_postgres()


async def _leaked_tasks(before: set[asyncio.Task[Any]]) -> list[str]:
    for _ in range(_PASSES_TO_FINISH):
        if not asyncio.all_tasks() - before:
            break
        await anyio.lowlevel.checkpoint()
    if not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        with anyio.move_on_after(_THREADS_MAY_TAKE_S):
            while asyncio.all_tasks() - before:  # noqa: ASYNC110 - a task of somebody else ends without an event
                await anyio.sleep(0.01)
    return sorted(str(task.get_coro()) for task in asyncio.all_tasks() - before)


def _without_leaks(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def checked(*args: Any, **kwargs: Any) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        leaked = await _leaked_tasks(before)
        assert not leaked, f"tasks still running after the test: {leaked}"

    return checked


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that leaves a task behind; anyio's runner would cancel it without a word."""
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test):
        pyfuncitem.obj = _without_leaks(test)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = test


def pytest_sessionfinish() -> None:
    """Write down what was covered while xdist still waits: it kills a worker that takes over ten seconds to leave."""
    if running := coverage.Coverage.current():
        running.stop()
        running.save()
