"""Fixtures of the tests that drive the official clients, and the check that a test calls what it claims to cover."""

from collections.abc import Callable, Generator, Mapping

import pytest

from support import database
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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """What the server of a file keeps its rows on; on PostgreSQL the newest client asks, in the plainest form."""
    return request.param


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Generator[ServerProcess]:
    """One server for the tests of a file."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    rows = {"RETOLD_DATABASE_URL": database.postgres_url(data_dir)} if backend == "postgresql" else {}
    with running_server(data_dir, env=MANY_WRONG_KEYS | rows) as running:
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what TEST_DATABASE does not ask for."""
    wanted = [item for item in items if not isinstance(item, pytest.Function) or _is_wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def _is_wanted(test: pytest.Function) -> bool:
    params: Mapping[str, object] = test.callspec.params if hasattr(test, "callspec") else {}
    if "backend" not in params or database.KIND == "postgresql":
        return params.get("backend") != "sqlite"
    is_plainest = params.get("generation", "6.2") == "6.2" and params.get("form", "plain") == "plain"
    return params["backend"] == "sqlite" or is_plainest


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that passed without calling every method its `covers` mark names."""
    result = yield
    if isinstance(client := pyfuncitem.funcargs.get("sdk"), SdkClient):
        claimed = {method for mark in pyfuncitem.iter_markers("covers") for method in mark.args}
        assert claimed <= client.asked, f"the test does not call what it covers: {sorted(claimed - client.asked)}"
    return result
