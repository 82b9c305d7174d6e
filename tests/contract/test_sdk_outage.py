"""What the official clients make of a server whose database is away for a while."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.lossy_front import lossy_front
from support.patience import PATIENCE_S
from support.plain_client import wait_until
from support.postgres import PostgresServer, postgres_server
from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import generations, own_agent
from support.server import ServerProcess, running_server


@pytest.fixture(scope="module")
def postgres() -> Generator[PostgresServer]:
    """A database server that may be killed."""
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Generator[ServerProcess]:
    env = {"RETOLD_DATABASE_URL": postgres.new_database()}
    with running_server(tmp_path_factory.mktemp("outage") / "data", env=env) as running:
        yield running


@generations("6.2", "node")
def test_a_call_is_made_once_the_database_is_back(sdk: SdkClient, postgres: PostgresServer) -> None:
    agent_id = own_agent(sdk)
    postgres.kill()
    with pytest.raises(SdkError) as refused:
        sdk.ask("call.create_web_call", agent_id=agent_id)
    assert (refused.value.type, refused.value.status) == ("InternalServerError", 503)
    with (
        lossy_front(sdk.url) as front,
        sdk.changed(base_url=front.url, max_retries=20),
        ThreadPoolExecutor(1) as waiting,
    ):
        asked = waiting.submit(sdk.ask, "call.create_web_call", agent_id=agent_id)
        wait_until(lambda: front.passed > 0)
        postgres.start()
        made = asked.result(PATIENCE_S)
    calls = sdk.ask("call.list", filter_criteria={"agent": [{"agent_id": agent_id}]})["items"]
    assert [call["call_id"] for call in calls] == [made["call_id"]]
