"""Fixtures of the tests that drive the official clients, and the check that a test calls what it claims to cover."""

from collections.abc import Callable, Generator

import pytest

from support.sdk_client import Form, Generation, SdkClient, SdkProcess
from support.server import ServerProcess, running_server

MANY_WRONG_KEYS = {"RETOLD_FAILED_KEYS_PER_MINUTE": "1000"}
"""Every client tries one in every form, all from one address."""


@pytest.fixture(scope="session")
def sdk_process() -> Generator[Callable[[Generation], SdkProcess]]:
    """Starts the driver of a generation, once in a test run."""
    started: dict[Generation, SdkProcess] = {}

    def process(generation: Generation) -> SdkProcess:
        if generation not in started:
            started[generation] = SdkProcess(generation)
        return started[generation]

    yield process
    for one in started.values():
        one.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    """One server for the tests of a file."""
    with running_server(tmp_path_factory.mktemp("server") / "data", env=MANY_WRONG_KEYS) as running:
        yield running


@pytest.fixture
def generation() -> Generation:
    """The client of a test that is not run with several."""
    return "6.2"


@pytest.fixture
def form() -> Form:
    """How a test that is not run in all three forms makes its requests."""
    return "plain"


@pytest.fixture
def sdk(
    sdk_process: Callable[[Generation], SdkProcess], server: ServerProcess, generation: Generation, form: Form
) -> SdkClient:
    """The client of the test."""
    return SdkClient(sdk_process(generation), server.url, server.api_key, form)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that passed without calling every method its `covers` mark names."""
    result = yield
    if isinstance(client := pyfuncitem.funcargs.get("sdk"), SdkClient):
        claimed = {method for mark in pyfuncitem.iter_markers("covers") for method in mark.args}
        assert claimed <= client.asked, f"the test does not call what it covers: {sorted(claimed - client.asked)}"
    return result
