"""Calls that come in: the customer's webhook is asked over real connections, and the number's agent is the way out."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retold.calls.create import register_phone_call
from retold.calls.inbound import ATTEMPTS, Answered, InboundCalls, NotAnswered
from retold.domain import standard_webhooks, webhook_signature
from retold.domain.api_key import NewKey
from retold.domain.inbound_call import InboundCall
from retold.domain.phone_number import PhoneNumber
from retold.domain.phone_number_request import NumberImport, import_number
from retold.ids import DEFAULT_ORG_ID, CallId, new_call_id
from support.call_house import House, open_house
from support.patience import PATIENCE_S
from support.stored import make_agent
from support.web_server import Answer, WebRequest, WebServer, answer, loopback_outbound, web_server

pytestmark = pytest.mark.anyio

KEY = "key_test_0123456789abcdef"
OTHER = "agent_other"
Outcome = Answered | NotAnswered


@dataclass
class Desk:
    """A server that takes calls, and the customer's webhook beside it."""

    house: House
    webhook: WebServer
    call_id: CallId

    def number(self, **fields: Any) -> PhoneNumber:
        body = {
            "phone_number": "+14157775555",
            "termination_uri": "trunk.example.com",
            "inbound_webhook_url": self.webhook.url + "/inbound",
            **fields,
        }
        return import_number(NumberImport.model_validate(body), 1_000)

    async def decide(self, timeout_s: float = PATIENCE_S, **fields: Any) -> Outcome:
        """Let a call come in at a number with these fields."""
        calls = InboundCalls(self.house.deps, loopback_outbound(), timeout_s=timeout_s, pause_s=0)
        call = InboundCall(self.call_id, "+14157774444", "+14157775555", {"X-Account": "7", "Via": "inner"})
        return await calls.decide(DEFAULT_ORG_ID, self.number(**fields), call)

    @property
    def own_agent(self) -> dict[str, Any]:
        return {"inbound_agent_id": self.house.agent.agent_id}


@asynccontextmanager
async def desk(folder: Path, respond: Callable[[WebRequest], Answer]) -> AsyncGenerator[Desk]:
    async with open_house(folder) as house, web_server(respond) as webhook:
        await house.store.agents.save(DEFAULT_ORG_ID, make_agent().model_copy(update={"agent_id": OTHER}))
        await house.store.keys.create(DEFAULT_ORG_ID, KEY, NewKey(is_webhook_key=True))
        yield Desk(house, webhook, new_call_id())


def wants(**fields: Any) -> Callable[[WebRequest], Answer]:
    return lambda _request: answer({"call_inbound": fields})


def says(said: Answer) -> Callable[[WebRequest], Answer]:
    return lambda _request: said


def agent_of(outcome: Outcome) -> str:
    assert isinstance(outcome, Answered), outcome
    return outcome.found.agent.agent_id


async def test_the_webhook_is_asked_once_and_signed(tmp_path: Path) -> None:
    async with desk(tmp_path, wants()) as one:
        outcome = await one.decide(**one.own_agent)
        assert agent_of(outcome) == one.house.agent.agent_id
        [asked] = one.webhook.requests
        assert (asked.method, asked.path) == ("POST", "/inbound")
        assert asked.json["event"] == "call_inbound"
        assert asked.json["call_inbound"] == {
            "agent_id": one.house.agent.agent_id,
            "from_number": "+14157774444",
            "to_number": "+14157775555",
            "custom_sip_headers": {"x-account": "7"},
            "call_id": one.call_id,
        }
        now_ms = one.house.clock.wall_ms()
        signature = asked.headers[webhook_signature.HEADER.lower()]
        assert webhook_signature.is_signed(asked.body, KEY, signature, now_ms)
        assert standard_webhooks.is_signed(asked.body, KEY, asked.headers, now_ms)


async def test_a_number_without_a_webhook_asks_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path, wants(reject=True)) as one:
        outcome = await one.decide(**one.own_agent, inbound_webhook_url=None)
        assert agent_of(outcome) == one.house.agent.agent_id
        assert one.webhook.requests == []


async def test_the_call_is_made_as_the_reply_says(tmp_path: Path) -> None:
    reply = wants(
        override_agent_id=OTHER,
        agent_override={"agent": {"voice_speed": 1.5}},
        dynamic_variables={"name": "Ada"},
        metadata={"crm": 7},
    )
    async with desk(tmp_path, reply) as one:
        outcome = await one.decide(**one.own_agent)
        assert isinstance(outcome, Answered)
        record = await register_phone_call(one.house.deps, DEFAULT_ORG_ID, outcome.found.agent, outcome.details)
        call = record.call
        assert (call.call_id, call.agent_id, call.direction) == (one.call_id, OTHER, "inbound")
        assert (call.from_number, call.to_number) == ("+14157774444", "+14157775555")
        assert call.retell_llm_dynamic_variables == {"name": "Ada"}
        assert call.metadata == {"crm": 7}
        assert call.custom_sip_headers == {"x-account": "7"}
        assert json.loads(record.agent_override_json or "") == {"agent": {"voice_speed": 1.5}}


async def test_a_reply_may_name_the_agent_of_a_number_that_has_none(tmp_path: Path) -> None:
    async with desk(tmp_path, wants(override_agent_id=OTHER)) as one:
        assert agent_of(await one.decide()) == OTHER


async def test_a_version_alone_is_one_of_the_numbers_agent(tmp_path: Path) -> None:
    async with desk(tmp_path, wants(override_agent_version=0)) as one:
        outcome = await one.decide(**one.own_agent)
        assert isinstance(outcome, Answered)
        assert (outcome.found.agent.agent_id, outcome.found.agent.version) == (one.house.agent.agent_id, 0)


async def test_true_rejects_the_call(tmp_path: Path) -> None:
    async with desk(tmp_path, wants(reject=True, override_agent_id="agent_that_is_not_there")) as one:
        assert await one.decide(**one.own_agent) is NotAnswered.REJECTED


async def test_a_rejection_with_a_wrong_field_rejects_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, wants(reject=True, metadata="wrong")) as one:
        assert agent_of(await one.decide(**one.own_agent)) == one.house.agent.agent_id


@pytest.mark.parametrize(
    ("respond", "attempts"),
    [
        pytest.param(says(answer("", 500)), ATTEMPTS, id="500"),
        pytest.param(says(answer("", 404)), ATTEMPTS, id="404"),
        pytest.param(says(answer("", 302, Location="http://127.0.0.1:1/")), ATTEMPTS, id="redirect"),
        pytest.param(says(b""), ATTEMPTS, id="hangs up"),
        pytest.param(says(answer("OK")), 1, id="no JSON"),
        pytest.param(says(answer(b"[" * 2_000_000)), 1, id="huge"),
        pytest.param(wants(metadata=7), 1, id="wrong field"),
        pytest.param(wants(override_agent_id="agent_that_is_not_there"), 1, id="unknown agent"),
        pytest.param(wants(agent_override={"agent": {"response_engine": {"type": "x"}}}), 1, id="impossible override"),
    ],
)
async def test_a_webhook_that_fails_leaves_the_call_to_the_numbers_agent(
    respond: Callable[[WebRequest], Answer], attempts: int, tmp_path: Path
) -> None:
    async with desk(tmp_path, respond) as one:
        outcome = await one.decide(**one.own_agent)
        assert agent_of(outcome) == one.house.agent.agent_id
        assert len(one.webhook.requests) == attempts
        assert len({request.body for request in one.webhook.requests}) == 1
        # Without such an agent nobody answers.
        assert await one.decide() is NotAnswered.NO_AGENT


async def test_a_webhook_that_hangs_is_given_up_each_time(tmp_path: Path) -> None:
    async with desk(tmp_path, says(None)) as one:
        outcome = await one.decide(timeout_s=0.05, **one.own_agent)
        assert agent_of(outcome) == one.house.agent.agent_id


async def test_a_webhook_that_recovers_is_heard(tmp_path: Path) -> None:
    def respond(request: WebRequest) -> Answer:
        asked.append(request)
        return answer("", 503) if len(asked) < ATTEMPTS else answer({"call_inbound": {"override_agent_id": OTHER}})

    asked: list[WebRequest] = []
    async with desk(tmp_path, respond) as one:
        assert agent_of(await one.decide(**one.own_agent)) == OTHER


async def test_an_address_that_may_not_be_reached_is_not_tried_again(tmp_path: Path) -> None:
    async with desk(tmp_path, wants(reject=True)) as one:
        outcome = await one.decide(**one.own_agent, inbound_webhook_url="http://169.254.169.254/")
        assert agent_of(outcome) == one.house.agent.agent_id


async def test_a_number_whose_agent_is_gone_is_not_answered(tmp_path: Path) -> None:
    async with desk(tmp_path, wants()) as one:
        assert await one.decide(inbound_agent_id="agent_that_is_not_there") is NotAnswered.NO_AGENT
