"""What import-phone-number and update-phone-number take, and how it becomes a number."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from retold.domain.agent_options import RequestModel, ShortText
from retold.domain.e164 import area_code, is_e164, pretty
from retold.domain.phone_number import Country, PhoneNumber, WeightedAgents
from retold.errors import InvalidRequest

Url = Annotated[str, Field(max_length=2_048)]
Number = Annotated[str, StringConstraints(pattern=r"^[+0-9A-Za-z*#_.-]{1,64}$")]
Version = ShortText | int


class NumberSettings(RequestModel):
    """What both requests take; null clears."""

    nickname: ShortText | None = None
    inbound_agents: WeightedAgents | None = None
    outbound_agents: WeightedAgents | None = None
    inbound_sms_agents: WeightedAgents | None = None
    outbound_sms_agents: WeightedAgents | None = None
    inbound_webhook_url: Url | None = None
    inbound_sms_webhook_url: Url | None = None
    fallback_number: Number | None = None
    allowed_inbound_country_list: list[Country] | None = None
    allowed_outbound_country_list: list[Country] | None = None
    transport: Literal["TLS", "TCP", "UDP"] | None = None
    codecs: list[ShortText] | None = None
    # Before the weighted lists: one agent for each direction.
    inbound_agent_id: ShortText | None = None
    inbound_agent_version: Version | None = None
    outbound_agent_id: ShortText | None = None
    outbound_agent_version: Version | None = None

    def sent(self) -> dict[str, Any]:
        """What the client really named, JSON-ready."""
        return self.model_dump(mode="json", exclude_unset=True)


class NumberImport(NumberSettings):
    """What import-phone-number takes."""

    phone_number: Number
    termination_uri: ShortText
    ignore_e164_validation: bool = True
    sip_trunk_auth_username: ShortText | None = None
    sip_trunk_auth_password: ShortText | None = None


class NumberChanges(NumberSettings):
    """What update-phone-number takes."""

    termination_uri: ShortText = ""
    auth_username: ShortText | None = None
    auth_password: ShortText | None = None


def import_number(request: NumberImport, now_ms: int) -> PhoneNumber:
    """A number of the customer's own. Raises InvalidRequest."""
    number = request.phone_number
    if not request.ignore_e164_validation and not is_e164(number):
        raise InvalidRequest(
            f"phone_number must be an E.164 number such as +14157774444, got {number!r}",
            field="phone_number",
            fix="write it with + and country code, or send ignore_e164_validation=true",
        )
    before = {
        "phone_number": number,
        "phone_number_pretty": pretty(number),
        "area_code": area_code(number),
        "sip_outbound_trunk_config": {"termination_uri": request.termination_uri},
    }
    return _number(before, request.sent(), request.sip_trunk_auth_username, now_ms)


def change_number(number: PhoneNumber, request: NumberChanges, now_ms: int) -> PhoneNumber:
    """The number with the sent fields changed; null clears. Raises InvalidRequest."""
    sent = request.sent()
    trunk = number.sip_outbound_trunk_config
    username = request.auth_username if "auth_username" in sent else trunk.auth_username
    now_ms = max(now_ms, number.last_modification_timestamp)
    return _number(number.model_dump(mode="json"), sent, username, now_ms)


def _number(before: Mapping[str, Any], sent: Mapping[str, Any], username: str | None, now_ms: int) -> PhoneNumber:
    trunk = {**before["sip_outbound_trunk_config"], "auth_username": username}
    for name in ("termination_uri", "transport", "codecs"):
        if name in sent:
            trunk[name] = sent[name]
    fields = {name: value for name, value in sent.items() if name in PhoneNumber.model_fields}
    number = {**before, **fields, **_agents_of_2024(sent)}
    if number.get("fallback_number") == number["phone_number"]:
        raise InvalidRequest(
            "fallback_number cannot be the number itself", field="fallback_number", fix="send another, or null"
        )
    number["sip_outbound_trunk_config"] = {name: value for name, value in trunk.items() if value is not None}
    return PhoneNumber.model_validate({**number, "last_modification_timestamp": now_ms})


def _agents_of_2024(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The weighted lists that the older fields mean; lists that are sent beside them count more."""
    lists: dict[str, Any] = {}
    for direction in ("inbound", "outbound"):
        if f"{direction}_agents" in sent or f"{direction}_agent_id" not in sent:
            continue
        agent_id, version = sent[f"{direction}_agent_id"], sent.get(f"{direction}_agent_version")
        agent = {"agent_id": agent_id, "weight": 1.0} | ({} if version is None else {"agent_version": version})
        lists[f"{direction}_agents"] = None if agent_id is None else [agent]
    return lists
