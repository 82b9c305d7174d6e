"""What a received webhook tells, and whether its signatures are good; hostile ones included."""

import json
from typing import Any

import pytest

from retold.cli.delivered import NO_EVENT, Delivery, judged, told
from retold.domain import standard_webhooks, webhook_signature

KEY = "key_test_0123456789abcdef"
NOW_MS = 1_700_000_000_000


def delivery(content: Any, headers: dict[str, str] | None = None, at_ms: int = NOW_MS) -> Delivery:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Delivery("/", headers or {}, body, at_ms)


def signed(content: Any) -> dict[str, str]:
    body = json.dumps(content).encode()
    return {
        webhook_signature.HEADER.lower(): webhook_signature.sign(body, KEY, NOW_MS),
        **standard_webhooks.headers(body, KEY, "evt_1", NOW_MS),
    }


ENDED = {"event": "call_ended", "call": {"call_id": "call_1", "disconnection_reason": "user_hangup"}}


def test_a_good_delivery_is_verified_by_both() -> None:
    verdict = judged(delivery(ENDED, signed(ENDED)), KEY)
    assert verdict.is_good
    assert "signed with this key" in verdict.words


def test_without_a_key_nothing_is_said_of_the_signature() -> None:
    verdict = judged(delivery(ENDED, signed(ENDED)), None)
    assert verdict.by_retell is verdict.by_standard is None
    assert not verdict.is_good
    assert "not verified" in verdict.words


@pytest.mark.parametrize(
    ("headers", "key", "late_ms"),
    [
        pytest.param({}, KEY, 0, id="unsigned"),
        pytest.param(signed(ENDED), "key_other", 0, id="another key"),
        pytest.param(signed(ENDED | {"event": "call_started"}), KEY, 0, id="another body"),
        pytest.param(signed(ENDED), KEY, 400_000, id="old"),
    ],
)
def test_what_is_not_signed_is_said_aloud(headers: dict[str, str], key: str, late_ms: int) -> None:
    verdict = judged(delivery(ENDED, headers, NOW_MS + late_ms), key)
    assert (verdict.by_retell, verdict.by_standard) == (False, False)
    assert verdict.words.startswith("NOT VERIFIED by X-Retell-Signature nor by Standard Webhooks")


def test_one_good_signature_is_not_called_both() -> None:
    headers = signed(ENDED)
    del headers["webhook-signature"]
    verdict = judged(delivery(ENDED, headers), KEY)
    assert (verdict.by_retell, verdict.by_standard) == (True, False)
    assert verdict.words.startswith("NOT VERIFIED by Standard Webhooks:")


@pytest.mark.parametrize(
    ("event", "call", "words"),
    [
        ("call_started", {"agent_id": "agent_1"}, "with agent agent_1"),
        ("call_ended", {"disconnection_reason": "user_hangup", "duration_ms": 12_340}, "user_hangup after 12.3 s"),
        ("call_ended", {"disconnection_reason": "dial_busy"}, "dial_busy"),
        ("call_analyzed", {"call_analysis": {"call_summary": "Booked."}}, "Booked."),
        (
            "transcript_updated",
            {"transcript_object": [{"role": "agent", "content": "Hi"}, {"role": "user", "content": "Bye"}]},
            "user: Bye",
        ),
        ("transcript_updated", {"transcript_object": []}, ""),
        ("transfer_started", {}, ""),
    ],
)
def test_each_event_is_told_in_words(event: str, call: dict[str, Any], words: str) -> None:
    one = delivery({"event": event, "call": {"call_id": "call_1", **call}})
    assert (one.event, one.call_id, told(one)) == (event, "call_1", words)


def test_an_inbound_call_is_told_with_its_numbers() -> None:
    one = delivery({"event": "call_inbound", "call_inbound": {"from_number": "+1", "to_number": "+2"}})
    assert told(one) == "+1 calls +2"
    assert one.call_id == ""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'"call_ended"', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_object_is_survived(body: bytes) -> None:
    one = delivery(body)
    assert (one.event, one.call_id, dict(one.call)) == (NO_EVENT, "", {})
    assert told(one) == "the body is no JSON object"


@pytest.mark.parametrize("content", [{"event": 7, "call": []}, {"event": None, "call": {"call_id": {}}}, {"call": 1}])
def test_values_of_other_types_are_survived(content: Any) -> None:
    one = delivery(content)
    assert one.event == NO_EVENT
    assert isinstance(one.event_id, str)


def test_nothing_that_steers_a_terminal_gets_through() -> None:
    one = delivery(
        {
            "event": "call_\x1b[2Jended\n",
            "call": {"call_id": "call_\x1b]0;owned\x07", "disconnection_reason": "\x1b[31mred", "duration_ms": 1},
        },
        {"webhook-id": "evt_\x1b[0m"},
    )
    assert all(text.isprintable() for text in (one.event, one.call_id, one.event_id, told(one)))
    assert len(delivery({"event": "x" * 5_000}).event) == 100


def test_the_id_of_an_event_is_its_header_or_what_it_is_about() -> None:
    assert delivery(ENDED, {"webhook-id": "evt_9"}).event_id == "evt_9"
    assert delivery(ENDED).event_id == "call_ended call_1"
