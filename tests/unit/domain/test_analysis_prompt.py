"""What a language model is asked about a call, and how its answer is read."""

import json
from typing import Any

import jsonschema_rs
import pytest

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem, PresetAnalysisItem
from retold.domain.analysis import Findings, Questions
from retold.domain.analysis_prompt import answer_schema, messages, read, repaired
from retold.domain.dialogue import AgentText, SystemText, UserText
from support.transcripts import ended_call, items

QUESTIONS = Questions.of(
    [
        AnalysisItem(type="string", name="dish", description="What was ordered.", examples=["Pizza", "Soup"]),
        AnalysisItem(type="number", name="guests", description="How many.", required=True, conditional_prompt="never"),
        AnalysisItem(type="boolean", name="is new", description="Is new.", conditional_prompt="they said so"),
        EnumAnalysisItem(type="enum", name="mood", description="Mood.", choices=["good", "bad"]),
        PresetAnalysisItem(type="system-presets", name="call_summary", description="In rhyme."),
        PresetAnalysisItem(type="system-presets", name="user_sentiment", conditional_prompt="they spoke"),
        PresetAnalysisItem(type="system-presets", name="call_successful", required=False),
    ]
)
WHOLE: dict[str, Any] = {
    "call_summary": "They ordered.",
    "call_successful": True,
    "user_sentiment": "Positive",
    "in_voicemail": False,
    "custom_analysis_data": {"dish": "Soup", "guests": 2.5, "is new": None, "mood": "good"},
}
FOUND = Findings("They ordered.", True, "Positive", False, {"dish": "Soup", "guests": 2.5, "mood": "good"})


def test_the_schema_holds_the_fields_of_the_agent_with_their_hints() -> None:
    schema = answer_schema(QUESTIONS)
    assert schema["properties"]["call_summary"] == {"type": "string", "description": "In rhyme."}
    assert schema["properties"]["user_sentiment"]["type"] == ["string", "null"]
    assert None in schema["properties"]["user_sentiment"]["enum"]
    assert schema["properties"]["user_sentiment"]["description"].endswith("Null unless this holds: they spoke")
    assert schema["properties"]["call_successful"]["type"] == ["boolean", "null"]
    fields = schema["properties"]["custom_analysis_data"]["properties"]
    assert fields["dish"] == {
        "type": ["string", "null"],
        "description": "What was ordered. Examples: Pizza, Soup.",
    }
    assert fields["guests"] == {"type": ["number", "null"], "description": "How many."}
    assert fields["is new"]["description"] == "Is new. Null unless this holds: they said so"
    assert fields["mood"]["enum"] == ["good", "bad", None]


def test_the_schema_is_one_that_servers_can_hold_a_model_to() -> None:
    schema = answer_schema(QUESTIONS)
    assert jsonschema_rs.validator_for(schema).is_valid(WHOLE)
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    assert "custom_analysis_data" not in answer_schema(Questions())["properties"]


def test_the_model_is_shown_the_schema_the_facts_and_the_transcript() -> None:
    call = ended_call(disconnection_reason="user_hangup")
    prompt, asked = messages(QUESTIONS, call, items("U: Soup, please."))
    assert isinstance(prompt, SystemText)
    assert prompt.text.endswith(json.dumps(answer_schema(QUESTIONS), ensure_ascii=False))
    assert asked == UserText(
        "Direction: web call. The call ended: user_hangup. It took 60 s.\n\n"
        "<transcript>\nUser: Soup, please.\n</transcript>"
    )
    empty = messages(QUESTIONS, ended_call(duration_ms=None, direction="inbound", disconnection_reason=None), [])[1]
    assert empty == UserText(
        "Direction: inbound. The call ended: unknown.\n\n<transcript>\n(nothing was said)\n</transcript>"
    )


def test_an_answer_that_was_wrong_is_shown_with_what_is_wrong() -> None:
    asked = messages(QUESTIONS, ended_call(), [])
    again = repaired(asked, "no", "it is not a JSON object")
    assert again[:3] == [*asked, AgentText("no")]
    assert "it is not a JSON object" in str(again[3])


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", "Here you are: {} I hope it helps."])
def test_an_answer_is_found_in_what_models_write_around_it(form: str) -> None:
    reading = read(form.replace("{}", json.dumps(WHOLE)), QUESTIONS)
    assert reading.fault is None
    assert reading.findings == FOUND


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "it is not a JSON object"),
        ("I cannot do that.", "it is not a JSON object"),
        ("{not json}", "it is not valid JSON"),
        ("{", "it is not valid JSON"),
        ("{}", "call_summary is missing"),
        ('{"call_summary": 3}', "call_successful is missing"),
    ],
)
def test_what_is_wrong_is_named(answer: str, fault: str) -> None:
    assert (read(answer, QUESTIONS).fault or "").startswith(fault)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"custom_analysis_data": {"dish": 3, "guests": "two", "mood": "odd", "is new": True}}, {"is new": True}),
        ({"custom_analysis_data": None}, {}),
        ({"custom_analysis_data": {"mood": "good"}}, {"mood": "good"}),
    ],
)
def test_of_a_faulty_answer_what_fits_is_kept(change: dict[str, Any], left: dict[str, Any]) -> None:
    reading = read(json.dumps(WHOLE | change), QUESTIONS)
    assert reading.fault
    assert reading.findings is not None
    assert reading.findings.values == left
    assert reading.findings.call_summary == "They ordered."


def test_what_a_model_adds_does_no_harm() -> None:
    added = WHOLE | {"confidence": 0.9, "custom_analysis_data": {**WHOLE["custom_analysis_data"], "extra": 1}}
    assert read(json.dumps(added), QUESTIONS) == read(json.dumps(WHOLE), QUESTIONS)
    assert read(json.dumps(added), Questions()).fault is None


def test_a_sentiment_of_its_own_making_is_none() -> None:
    reading = read(json.dumps(WHOLE | {"user_sentiment": "positive"}), QUESTIONS)
    assert reading.findings is not None
    assert reading.findings.user_sentiment is None
