"""What is refused of steering calls that go on, and how the official clients show it."""

import pytest

from support.joined_call import joined_call
from support.sdk_client import SdkClient, SdkError
from support.sdk_plans import ended_web_call, every_form, generations, unknown, web_call


@generations("5.64", "6.2", "node")
def test_a_call_that_is_over_is_steered_no_longer(sdk: SdkClient) -> None:
    refused = refusal(sdk, "call.update_live", ended_web_call(sdk), call_control={"trigger_response": True})
    assert "update-call" in refused.body["fix"]


@every_form
@generations("6.2", "node")
def test_listening_and_taking_over_are_refused_with_the_reason(sdk: SdkClient) -> None:
    call_id = web_call(sdk)
    with joined_call(sdk.url, call_id):
        for method, asked in (("call.listen_live", {}), ("call.take_over_live", {"participant_id": "p"})):
            refused = refusal(sdk, method, call_id, **asked)
            assert "WebRTC" in refused.body["message"]
            assert "monitor-call" in refused.body["fix"]
            unknown(sdk, method, "call_none", **asked)
        assert sdk.ask("call.retrieve", call_id)["call_status"] == "ongoing"


def refusal(sdk: SdkClient, method: str, *args: object, **kwargs: object) -> SdkError:
    with pytest.raises(SdkError) as refused:
        sdk.ask(method, *args, **kwargs)
    assert (refused.value.type, refused.value.status) == ("BadRequestError", 400)
    return refused.value
