"""The scenarios of the demonstration."""

from pathlib import Path

import pytest

from retold.caller.demo import PROMPT_TEXTS, SCENARIOS, find_prompts, shipped_scenario
from retold.caller.scenario import Play, Say


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("prompts", [None, Path("prompts")], ids=["synthetic", "recorded"])
def test_shipped_scenarios_can_be_played(name: str, prompts: Path | None) -> None:
    scenario = shipped_scenario(name, prompts)
    assert scenario.title
    assert scenario.agent == "demo"
    assert scenario.expect.disconnection_reason in {"user_hangup", "agent_hangup"}
    played = [step.path.name for step in scenario.steps if isinstance(step, Play)]
    assert set(played) <= (set(PROMPT_TEXTS) if prompts else set())


def test_recorded_voice_is_used_in_at_least_one_and_spoken_where_it_is_missing() -> None:
    recorded = shipped_scenario("agent_hangs_up", Path("prompts")).steps
    synthetic = shipped_scenario("agent_hangs_up", None).steps
    assert Play(Path("prompts/demo-thanks.wav")) in recorded
    assert Say(PROMPT_TEXTS["demo-thanks.wav"]) in synthetic


def test_prompts_are_found_only_when_all_are_there(tmp_path: Path) -> None:
    assert find_prompts(tmp_path) is None
    for name in PROMPT_TEXTS:
        (tmp_path / name).touch()
    assert find_prompts(tmp_path) == tmp_path
