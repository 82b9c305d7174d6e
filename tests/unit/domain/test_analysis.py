"""What an agent asks of its calls, and what the record says of what was found."""

import pytest

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem, PresetAnalysisItem
from retold.domain.analysis import Findings, Questions, concluded, has_connected, not_connected
from retold.domain.variables import substitute
from support.transcripts import ended_call

NAME = AnalysisItem(type="string", name="name", description="The caller's name", required=True)
TOPIC = EnumAnalysisItem(type="enum", name="topic", description="About {{shop}}", choices=["a", "b"])
FOUND = Findings("They talked.", call_successful=True, user_sentiment="Neutral", in_voicemail=False)


def test_an_agent_that_asks_nothing_has_the_ready_made_analysis_and_an_empty_object() -> None:
    assert Questions.of(None) == Questions()
    assert concluded(Questions(), FOUND, "model").model_dump() == {
        "call_summary": "They talked.",
        "call_successful": True,
        "user_sentiment": "Neutral",
        "in_voicemail": False,
        "custom_analysis_data": {},
    }


def test_the_calls_variables_stand_in_the_questions() -> None:
    questions = Questions.of([TOPIC], lambda template: substitute(template, {"shop": "Luigi's"}))
    assert questions.fields[0].description == "About Luigi's"


@pytest.mark.parametrize(
    ("values", "is_successful"),
    [({"name": "Ann"}, True), ({"topic": "a"}, False), ({}, False), ({"name": None}, True)],
)
def test_a_required_field_that_was_not_found_makes_the_call_unsuccessful(
    values: dict[str, str | None], *, is_successful: bool
) -> None:
    questions = Questions.of([NAME, TOPIC])
    found = Findings(call_successful=True, values=values)
    assert concluded(questions, found, "model").call_successful is is_successful


def test_a_value_that_nobody_asked_for_is_not_shown() -> None:
    found = Findings(values={"topic": "a", "other": 1})
    assert concluded(Questions.of([TOPIC]), found, "model").custom_analysis_data == {"topic": "a"}


def test_an_analysis_that_no_model_made_says_so() -> None:
    assert concluded(Questions(), FOUND, "built_in").model_dump()["analyst"] == "built_in"


def test_a_call_that_never_connected_has_only_what_is_certain() -> None:
    call = ended_call(call_status="not_connected", disconnection_reason="dial_busy", start_timestamp=None)
    assert not has_connected(call)
    assert not_connected(call) == Findings("The call did not connect (dial_busy).", False, "Unknown", False)
    assert not_connected(ended_call(disconnection_reason=None)).call_summary == "The call did not connect."


@pytest.mark.parametrize(
    ("preset", "is_optional"),
    [
        ({}, False),
        ({"required": False}, True),
        ({"required": True, "conditional_prompt": "only on Mondays"}, False),
        ({"conditional_prompt": "only on Mondays"}, True),
    ],
)
def test_a_ready_made_analysis_is_there_unless_the_agent_lets_it_go(
    preset: dict[str, object], *, is_optional: bool
) -> None:
    item = PresetAnalysisItem.model_validate({"type": "system-presets", "name": "call_summary", **preset})
    assert Questions.of([item]).is_optional("call_summary") is is_optional
    assert not Questions.of([item]).is_optional("user_sentiment")
