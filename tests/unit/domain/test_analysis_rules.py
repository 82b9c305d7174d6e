"""The built-in analyst: what it says of calls, and where it says nothing."""

from typing import Any

import pytest

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem
from retold.domain.analysis import AnalysisField, Questions
from retold.domain.analysis_rules import analysed, success_of, summary_of
from retold.domain.conversation import Conversation
from retold.domain.sentiment import lexicon, sentiment_of
from support.transcripts import ended_call, items

SCORE = lexicon()


@pytest.mark.parametrize(
    ("utterances", "sentiment"),
    [
        ([], "Unknown"),
        (["I'd like to book a table for two.", "Yes please.", "Seven o'clock."], "Neutral"),
        (["I'd like to cancel my appointment.", "No problem.", "No, thanks."], "Neutral"),
        (["I need an appointment, please.", "Great, thank you so much!"], "Positive"),
        (["That's wonderful, thanks."], "Positive"),
        (["This is ridiculous.", "I'm very angry, this is the worst service ever."], "Negative"),
        (["That's not what I asked for, this is useless.", "I am not happy with this at all."], "Negative"),
        (["This is useless.", "Oh, now it works, great, thank you very much, perfect!"], "Neutral"),
        (["This is annoying.", "Okay, that sounds good."], "Neutral"),
    ],
)
def test_how_callers_feel_by_their_words(utterances: list[str], sentiment: str) -> None:
    assert sentiment_of(utterances, "en-US", SCORE) == sentiment


def test_of_other_languages_the_lexicon_knows_nothing() -> None:
    assert sentiment_of(["Das ist fantastisch!"], "de-DE", SCORE) == "Unknown"


BOOKED = 'T: book {"guests": 2} -> true'
FAILED = 'T: book {"guests": 2} -> false'


@pytest.mark.parametrize(
    ("lines", "fields", "is_successful"),
    [
        (["A: Hi?", "U: A table.", BOOKED], {}, True),
        (["A: Hi?", "U: A table.", BOOKED], {"disconnection_reason": "user_hangup"}, True),
        (["A: Hi?", "U: A table.", FAILED], {}, False),
        (["A: Hi?", "U: A table.", FAILED, BOOKED], {}, True),
        (["A: Hi?", "U: When are you open?"], {}, True),
        (["A: Hi?", "U: When are you open?"], {"disconnection_reason": "user_hangup"}, None),
        (["A: Nine.", "U: Okay, thanks, bye."], {"disconnection_reason": "user_hangup"}, True),
        (
            ["A: Hi?", "U: To sales.", "T: transfer/transfer_call {} -> true"],
            {"disconnection_reason": "call_transfer"},
            True,
        ),
        (["A: Hi?", "U: To sales.", "T: swap/agent_swap {} -> false"], {"disconnection_reason": "user_hangup"}, None),
        (["A: Hi?", "U: A table.", "T: book {} -> null"], {"disconnection_reason": "manual_stopped"}, None),
        (["A: Hi?", "U: A table."], {"disconnection_reason": "max_duration_reached"}, None),
        (["A: Hi?", "U: A table."], {"disconnection_reason": "inactivity"}, False),
        (["A: Hi?", "U: Leave a message."], {"disconnection_reason": "voicemail_reached"}, False),
        (["A: Hi?"], {}, False),
        (["U: A table.", BOOKED], {"call_status": "error", "disconnection_reason": "error_retell"}, False),
    ],
)
def test_success_by_how_the_call_ended_and_what_tools_gave(
    lines: list[str], fields: dict[str, Any], *, is_successful: bool | None
) -> None:
    assert success_of(ended_call(lines, **fields), Conversation.of(items(*lines))) is is_successful


@pytest.mark.parametrize(
    ("lines", "fields", "summary"),
    [
        (
            ["A: Hi?", "U: Hello.", "U: I want a table tonight.", BOOKED, "T: end/end_call {} -> true"],
            {},
            'The user said: "I want a table tonight." The agent used book (succeeded). The agent ended the call.',
        ),
        (["A: Hi?"], {"disconnection_reason": "user_hangup"}, "The user said nothing. The user hung up."),
        (
            ["U: Hi.", FAILED, "T: look {}"],
            {"disconnection_reason": "error_asr"},
            'The user said: "Hi." The agent used book (failed), look (outcome unknown). The call ended: error_asr.',
        ),
        (["U: Hi."], {"disconnection_reason": None}, 'The user said: "Hi."'),
    ],
)
def test_the_summary_is_made_of_the_callers_words_and_of_what_happened(
    lines: list[str], fields: dict[str, Any], summary: str
) -> None:
    assert summary_of(ended_call(lines, **fields), Conversation.of(items(*lines))) == summary


def test_who_talks_long_is_quoted_briefly() -> None:
    lines = ["U: " + "well and then " * 100]
    summary = summary_of(ended_call(lines, disconnection_reason=None), Conversation.of(items(*lines)))
    assert summary.endswith(' ..."')
    assert len(summary) < 230


def field(kind: str, name: str, description: str = "d", **more: Any) -> AnalysisField:
    shape = {"type": kind, "name": name, "description": description, **more}
    return EnumAnalysisItem.model_validate(shape) if kind == "enum" else AnalysisItem.model_validate(shape)


GUESTS = field("number", "guests", "How many guests come.")
NEW = field("boolean", "is_new_patient")
PLAN = field("enum", "plan", choices=["Basic", "Pro"])
ASKED = "A: Are you a new patient?"


@pytest.mark.parametrize(
    ("asked", "lines", "collected", "values"),
    [
        pytest.param(GUESTS, ["U: We are four guests."], {}, {"guests": 4}, id="a number before the word"),
        pytest.param(GUESTS, ["U: 12 guests."], {}, {"guests": 12}, id="in digits"),
        pytest.param(GUESTS, ["U: Four guests. No, five guests."], {}, {}, id="two numbers are none"),
        pytest.param(GUESTS, ["U: At seven. Some guests."], {}, {}, id="a number of something else"),
        pytest.param(GUESTS, ["U: Hi.", 'T: book {"guests": 3}'], {}, {"guests": 3}, id="what a tool took"),
        pytest.param(
            GUESTS, ['T: book {"guests": 3}', 'T: book {"guests": 4.5}'], {}, {"guests": 4.5}, id="what it took last"
        ),
        pytest.param(GUESTS, ['T: book {"guests": true}'], {}, {}, id="no number at all"),
        pytest.param(
            GUESTS, ["U: Two guests."], {"guests": "6"}, {"guests": 6}, id="what the call collected goes first"
        ),
        pytest.param(GUESTS, ["U: Two guests."], {"guests": "2.5"}, {"guests": 2.5}, id="with a point"),
        pytest.param(GUESTS, ["U: Two guests."], {"guests": "many"}, {"guests": 2}, id="which is no number"),
        pytest.param(NEW, [ASKED, "U: Yes, I am."], {}, {"is_new_patient": True}, id="a yes to the question"),
        pytest.param(NEW, [ASKED, "U: No."], {}, {"is_new_patient": False}, id="a no"),
        pytest.param(NEW, [ASKED, "U: Yes.", ASKED, "U: No."], {}, {}, id="a yes and a no"),
        pytest.param(NEW, [ASKED, "U: Let me think."], {}, {}, id="neither"),
        pytest.param(NEW, [ASKED, "A: Hello?", "U: Yes."], {}, {}, id="a yes to something else"),
        pytest.param(NEW, ["A: Do you smoke?", "U: Yes."], {}, {}, id="another question"),
        pytest.param(NEW, [], {"is_new_patient": "true"}, {"is_new_patient": True}, id="collected yes"),
        pytest.param(
            field("boolean", "is_a"), ["A: Is it?", "U: Yes."], {}, {}, id="a name of small words asks nothing"
        ),
        pytest.param(PLAN, ["U: The pro plan, please."], {}, {"plan": "Pro"}, id="one choice is named"),
        pytest.param(PLAN, ["U: Is pro better than basic?"], {}, {}, id="two choices are"),
        pytest.param(PLAN, ["U: I am a professional."], {}, {}, id="a longer word is no choice"),
        pytest.param(PLAN, ["U: Hm."], {"plan": "basic"}, {"plan": "Basic"}, id="a collected choice"),
        pytest.param(
            field("enum", "open", choices=["yes", "later"]),
            ["U: Later, yes."],
            {},
            {},
            id="choices that people just say",
        ),
        pytest.param(
            field("string", "email"), ["U: It is ann@example.com."], {}, {"email": "ann@example.com"}, id="an address"
        ),
        pytest.param(
            field("string", "phone_number"),
            ["U: Call +1 415 555 0100."],
            {},
            {"phone_number": "+1 415 555 0100"},
            id="phone",
        ),
        pytest.param(field("string", "name"), ["U: I am Ann."], {}, {}, id="a name needs a mind"),
        pytest.param(field("string", "name"), [], {"name": "Ann"}, {"name": "Ann"}, id="unless it was collected"),
        pytest.param(field("string", "name"), [], {"name": " "}, {}, id="an empty text is none"),
        pytest.param(field("string", "name", conditional_prompt="c"), [], {"name": "Ann"}, {}, id="a condition"),
        pytest.param(
            field("string", "name", conditional_prompt="c", required=True),
            [],
            {"name": "Ann"},
            {"name": "Ann"},
            id="a condition that does not count",
        ),
    ],
)
def test_a_field_is_filled_where_the_call_leaves_no_doubt(
    asked: AnalysisField, lines: list[str], collected: dict[str, str], values: dict[str, Any]
) -> None:
    call = ended_call(lines, collected_dynamic_variables=collected or None)
    found = analysed(Questions.of([asked]), call, Conversation.of(items(*lines)), "en-US", SCORE)
    assert dict(found.values) == values


@pytest.mark.parametrize(
    ("fields", "in_voicemail"),
    [
        ({}, False),
        ({"direction": "inbound"}, False),
        ({"direction": "outbound"}, None),
        ({"direction": "outbound", "disconnection_reason": "voicemail_reached"}, True),
    ],
)
def test_a_voicemail_is_known_by_what_ended_the_call(fields: dict[str, Any], *, in_voicemail: bool | None) -> None:
    call = ended_call(["U: Hi."], **fields)
    assert analysed(Questions(), call, Conversation.of([]), "en-US", SCORE).in_voicemail is in_voicemail


def test_of_a_call_that_never_connected_nothing_is_read() -> None:
    call = ended_call(["U: We are four guests."], start_timestamp=None, call_status="error")
    found = analysed(Questions.of([GUESTS]), call, Conversation.of([]), "en-US", SCORE)
    assert not found.values
    assert found.user_sentiment == "Unknown"
