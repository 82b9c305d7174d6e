"""`retold serve --fixtures`: what the official client's own test tree asks, in any order and again and again."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from support.sdk_client import Generation, SdkClient, SdkProcess
from support.sdk_plans import every_form
from support.server import SCRIPTED_SPEECH, ServerProcess, retold, running_server

KEY = "YOUR_RETELL_API_KEY"
AGENT = "16b980523634a6dc504898cda492e939"
OTHER_AGENT = "oBeDLoLOeuAbiuaMFXRtDOLriTJ5tSxD"
CALL = "119c3f8e47135a29e65947eeb34cf12d"
ENGINE = {"llm_id": "llm_234sdertfsdsfsdf", "type": "retell-llm", "version": 0}
EDGE = {"id": "id", "transition_condition": {"prompt": "prompt", "type": "prompt"}, "destination_node_id": "elsewhere"}
NODES = [
    {
        "id": "start",
        "type": "conversation",
        "instruction": {"text": "Greet the customer.", "type": "prompt"},
        "edges": [EDGE],
        "skip_response_edge": EDGE,
        "global_node_setting": {"condition": "condition", "cool_down": 1, "go_back_conditions": [EDGE]},
    }
]
MODEL = {"model": "gpt-4.1", "type": "cascading", "high_priority": True}
TREE: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    ("call.delete", (CALL,), {}),
    ("call.retrieve", (CALL,), {}),
    ("call.stop", ("call_a4441234567890777c4a4a123e6",), {}),
    ("call.update", ("call_a4441234567890777c4a4a123e6",), {"data_storage_setting": "everything_except_pii"}),
    ("call.rerun_analysis", ("call_119c3f8e47135a29e65947eeb34cf12d",), {}),
    ("call.create_web_call", (), {"agent_id": OTHER_AGENT, "agent_version": 0, "metadata": {}}),
    ("call.register_phone_call", (), {"agent_id": OTHER_AGENT, "from_number": "+14157774444"}),
    ("agent.delete", (OTHER_AGENT,), {}),
    ("agent.create", (), {"response_engine": ENGINE, "voice_id": "retell-Cimo"}),
    (
        "agent.update",
        (AGENT,),
        {
            "version": "latest_published",
            "agent_name": "Jarvis",
            "custom_stt_config": {"endpointing_ms": 0, "provider": "azure"},
        },
    ),
    ("agent.retrieve", (AGENT,), {"version": "latest_published"}),
    ("agent.list", (), {"limit": 1000, "pagination_key": "pagination_key", "sort_order": "ascending"}),
    ("agent.list_versions", (AGENT,), {"limit": 1000, "pagination_key": "pagination_key"}),
    ("agent.create_version", ("agent_xxx",), {"base_version": 12}),
    ("agent.delete_version", ("agent_xxx",), {"version": 1}),
    ("agent.publish", ("agent_xxx",), {"version": 15, "version_title": "Hotfix"}),
    ("llm.delete", (OTHER_AGENT,), {"force_delete": True}),
    ("llm.retrieve", (AGENT,), {"version": 1}),
    ("llm.create", (), {"mcps": [{"name": "name", "url": "url", "timeout_ms": 0}], "general_prompt": "You are ..."}),
    ("llm.list", (), {"limit": 1000, "pagination_key": "pagination_key", "sort_order": "ascending"}),
    ("conversation_flow.delete", ("conversation_flow_id",), {"force_delete": True}),
    ("conversation_flow.retrieve", ("conversation_flow_id",), {"version": 0}),
    ("conversation_flow.update", ("conversation_flow_id",), {"version": 1, "nodes": NODES}),
    ("conversation_flow.create", (), {"nodes": NODES, "start_speaker": "agent", "model_choice": MODEL}),
    ("conversation_flow.list", (), {"limit": 50, "pagination_key": "pagination_key", "sort_order": "ascending"}),
    ("conversation_flow_component.delete", ("conversation_flow_component_id",), {}),
    ("conversation_flow_component.retrieve", ("conversation_flow_component_id",), {}),
    ("conversation_flow_component.update", ("conversation_flow_component_id",), {"name": "Collector"}),
    ("conversation_flow_component.create", (), {"name": "Collector", "nodes": NODES}),
    ("conversation_flow_component.list", (), {"limit": 50, "pagination_key": "pagination_key"}),
    ("phone_number.delete", ("+14157774444",), {}),
    ("phone_number.retrieve", ("+14157774444",), {}),
    ("phone_number.import_", (), {"phone_number": "+14157774444", "termination_uri": "someuri.pstn.twilio.com"}),
    (
        "phone_number.update",
        ("+14157774444",),
        {"inbound_agents": [{"agent_id": OTHER_AGENT, "weight": 0.5, "agent_version": "latest_published"}]},
    ),
    ("voice.retrieve", ("retell-Cimo",), {}),
    ("call.list", (), {"limit": 1000, "pagination_key": "pagination_key", "include_total": True}),
    ("concurrency.retrieve", (), {}),
    ("identity.retrieve", (), {}),
]
"""Requests of the shape of the tree's, deletions before what they would break."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("fixtures") / "data", options=["--fixtures"]) as running:
        yield running


@pytest.fixture
def sdk(sdk_process: Callable[[Generation], SdkProcess], server: ServerProcess, form: Any) -> SdkClient:
    return SdkClient(sdk_process("6.2"), server.url, KEY, form)


@every_form
@pytest.mark.parametrize(("method", "args", "kwargs"), TREE, ids=[method for method, _, _ in TREE])
def test_the_ids_of_the_clients_own_tests_exist_whatever_came_before(
    sdk: SdkClient, method: str, args: tuple[str, ...], kwargs: dict[str, Any]
) -> None:
    first = sdk.answer(method, *args, **kwargs)
    second = sdk.answer(method, *args, **kwargs)
    assert first.type == second.type
    for answer in (first, second):
        if isinstance(answer.value, dict) and args:
            assert args[0] in answer.value.values() or "items" in answer.value


def refused(data_dir: Path, *options: str) -> str:
    done = retold("serve", "--port", "0", *options, data_dir=data_dir, **SCRIPTED_SPEECH)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_fixtures_refuse_a_folder_with_calls_and_nobody_else_takes_theirs(
    sdk_process: Callable[[Generation], SdkProcess], tmp_path: Path
) -> None:
    real, made = tmp_path / "real", tmp_path / "made"
    with running_server(real) as server:
        SdkClient(sdk_process("6.2"), server.url, server.api_key).ask("call.create_web_call", agent_id="demo")
    assert "--fixtures wants an empty one" in refused(real, "--fixtures")
    for _ in range(2):
        with running_server(made, options=["--fixtures"]) as server:
            SdkClient(sdk_process("6.2"), server.url, KEY).ask("call.create_web_call", agent_id=AGENT)
    assert "was made by --fixtures" in refused(made)
