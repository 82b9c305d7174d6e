"""Text messages: to whom, from whom, and what they say."""

from typing import Any

import pytest

from retold.domain.dialogue import UsagePart
from retold.domain.model_script import Script
from retold.errors import AddressRefused, ConnectFailed
from support.tool_calls import FakeHttp, answered, tool_context, tool_of, tool_services, use_tool

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

URL = "https://sms.example/send"
CALLER, OURS, OTHER, SERVERS = "+14157774444", "+14155550100", "+442071838750", "+14155550199"
INBOUND = {"call_type": "phone_call", "direction": "inbound", "from_number": CALLER, "to_number": OURS}
OUTBOUND = {"call_type": "phone_call", "direction": "outbound", "from_number": OURS, "to_number": CALLER}
HELLO = {"type": "predefined", "text": "Hello {{name}}"}


def sms(content: dict[str, Any] | None = None, **fields: Any) -> Any:
    return tool_of(type="send_sms", name="text", sms_content=content or HELLO, **fields)


def services(http: FakeHttp, **fields: Any) -> Any:
    return tool_services(http, **{"sms_url": URL, "sms_from_number": SERVERS, **fields})


@pytest.mark.parametrize(
    ("call", "fields", "numbers"),
    [
        (INBOUND, {}, (OURS, CALLER)),
        (OUTBOUND, {}, (OURS, CALLER)),
        (INBOUND, {"sms_destination": {"type": "customer_number"}}, (OURS, CALLER)),
        (INBOUND, {"sms_destination": {"type": "phone_number", "phone_number": OTHER}}, (OURS, OTHER)),
        (INBOUND, {"sms_destination": {"type": "phone_number", "phone_number": "{{desk}}"}}, (OURS, OTHER)),
        (
            INBOUND,
            {"sms_destination": {"type": "phone_number", "phone_number": "12345", "ignore_e164_validation": True}},
            (OURS, "12345"),
        ),
        (INBOUND, {"sms_sender": {"type": "current_number"}}, (OURS, CALLER)),
        (INBOUND, {"sms_sender": {"type": "retell_long_code"}}, (SERVERS, CALLER)),
        ({}, {"sms_destination": {"type": "phone_number", "phone_number": OTHER}}, (SERVERS, OTHER)),
    ],
)
async def test_from_whom_and_to_whom(call: dict[str, Any], fields: dict[str, Any], numbers: tuple[str, str]) -> None:
    http = FakeHttp([answered("ok")])
    context = tool_context(services(http), variables={"desk": OTHER}, call=call)
    assert (await use_tool(sms(**fields), context)).successful
    assert (http.asked[0].json["from"], http.asked[0].json["to"]) == numbers


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (HELLO, "Hello Zoë"),
        ({"type": "predefined", "content": "Hi {{name}}"}, "Hi Zoë"),
        ({"type": "predefined", "text": "x" * 2_000}, "x" * 1_600),
    ],
)
async def test_a_predefined_text_takes_variables(content: dict[str, Any], text: str) -> None:
    http = FakeHttp([answered("ok")])
    await use_tool(sms(content), tool_context(services(http), variables={"name": "Zoë"}, call=INBOUND))
    assert http.asked[0].json["text"] == text


async def test_a_template_has_a_text_of_its_own() -> None:
    http = FakeHttp([answered("ok")])
    template = {"type": "template", "template": "info_collection"}
    await use_tool(sms(template), tool_context(services(http), call=INBOUND))
    assert "your full name" in http.asked[0].json["text"]


async def test_an_inferred_text_is_written_by_the_agents_model_from_the_conversation() -> None:
    script = Script.model_validate(
        {
            "rules": [
                {
                    "when": {"last": "User: a table for (\\w+)", "system": "Confirm it to Zoë"},
                    "steps": [{"say": " Your table for \\1. "}, {"input_tokens": 40, "output_tokens": 9}],
                },
                {"steps": [{"say": "the wrong question"}]},
            ]
        }
    )
    http = FakeHttp([answered("ok")])
    context = tool_context(services(http), variables={"name": "Zoë"}, call=INBOUND, script=script)
    result = await use_tool(sms({"type": "inferred", "prompt": "Confirm it to {{name}}"}), context)
    assert result.successful
    assert http.asked[0].json["text"] == "Your table for two."
    assert list(result.used) == [UsagePart(40, 9)], "the record counts what the message cost"


async def test_a_model_that_fails_is_told() -> None:
    script = Script.model_validate({"rules": [{"steps": [{"fail": 500}]}]})
    http = FakeHttp([answered("ok")])
    inferred = sms({"type": "inferred", "prompt": "x"})
    result = await use_tool(inferred, tool_context(services(http), call=INBOUND, script=script))
    assert (result.successful, http.asked) == (False, [])
    assert "could not be written" in result.content


async def test_a_model_that_writes_without_end_is_stopped() -> None:
    script = Script.model_validate({"rules": [{"steps": [{"say": "and so on " * 500}]}]})
    http = FakeHttp([answered("ok")])
    inferred = sms({"type": "inferred", "prompt": "x"})
    result = await use_tool(inferred, tool_context(services(http), call=INBOUND, script=script))
    assert result.successful
    assert len(http.asked[0].json["text"]) == 1_600


@pytest.mark.parametrize(
    ("given", "call", "fields", "said"),
    [
        ({"sms_url": None}, INBOUND, {}, "no provider of text messages"),
        ({}, {}, {}, "no number to send a text message to in a web call"),
        ({}, INBOUND, {"sms_destination": {"type": "phone_number", "phone_number": "12345"}}, "'12345'"),
        ({}, INBOUND, {"content": {"type": "predefined", "text": "{{empty}} "}}, "no text to send"),
        ({}, INBOUND, {"content": {"type": "predefined"}}, "no text to send"),
    ],
)
async def test_what_cannot_be_sent_is_said(
    given: dict[str, Any], call: dict[str, Any], fields: dict[str, Any], said: str
) -> None:
    http = FakeHttp([answered("ok")])
    result = await use_tool(sms(**fields), tool_context(services(http, **given), variables={"empty": ""}, call=call))
    assert (result.successful, http.asked) == (False, [])
    assert said in result.content


@pytest.mark.parametrize("failure", [answered("no credit", 402), ConnectFailed("late"), AddressRefused("10.0.0.1")])
async def test_a_provider_that_does_not_take_it_is_a_failure(failure: Any) -> None:
    result = await use_tool(sms(), tool_context(services(FakeHttp([failure])), call=INBOUND))
    assert not result.successful
    assert "10.0.0.1" not in result.content
