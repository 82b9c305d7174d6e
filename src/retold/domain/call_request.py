"""What the requests that make a call take: SDK 6.2.13, and the 2024 era where it differs."""

import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

from retold.domain.agent import Agent
from retold.domain.agent_options import LongText, RequestModel, ShortText
from retold.domain.agent_request import AgentChanges, change_agent
from retold.domain.flow import Flow
from retold.domain.flow_request import FlowChanges, change_flow
from retold.domain.llm import KbConfig, Llm
from retold.domain.llm_models import DeprecatedBackup, ModelSettings
from retold.domain.llm_request import LlmRequest, change_llm
from retold.errors import InvalidRequest

_E164 = re.compile(r"\+[1-9]\d{1,14}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MAX_HEADER_CHARS = 1_000


def _as_texts(value: object) -> object:
    if not isinstance(value, dict):
        return value
    texts: dict[str, str] = {}
    for name, one in value.items():
        if isinstance(one, str):
            texts[name] = one
        elif isinstance(one, bool | int | float):
            texts[name] = orjson.dumps(one).decode()
        elif one is not None:
            raise PydanticCustomError(
                "variable",
                "must map names to strings, {name} is mapped to another type",
                {"name": name, "fix": "send it as a string; JSON text may carry a structure"},
            )
    return texts


Variables = Annotated[
    dict[str, str],
    BeforeValidator(_as_texts),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}),
]
"""Dynamic variables: numbers and booleans become their JSON text, null means unset."""
Metadata = dict[str, JsonValue]
VersionRef = int | ShortText
"""A number, a tag, `latest` or `latest_published`."""


class AgentPart(AgentChanges):
    """Agent fields for one call."""


class ModelPart(RequestModel):
    """What an override may say of a Retell LLM and of a conversation flow alike."""

    # `model_config` is a field of the API and pydantic's own name too.
    model_config = ConfigDict(serialize_by_alias=True, populate_by_name=False)

    llm_model_config: ModelSettings | None = Field(default=None, alias="model_config")
    tool_call_strict_mode: bool | None = None
    knowledge_base_ids: list[ShortText] | None = None
    kb_config: KbConfig | None = None
    start_speaker: Literal["user", "agent"] | None = None
    begin_after_user_silence_ms: Annotated[int, Field(ge=0)] | None = None
    model_temperature: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    backup_model: DeprecatedBackup | None = None

    def sent(self) -> dict[str, Any]:
        """What the client really named, JSON-ready."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


class LlmPart(ModelPart):
    """Retell LLM fields for one call."""

    begin_message: LongText | None = None
    model: ShortText | None = None
    s2s_model: ShortText | None = None
    model_high_priority: bool | None = None
    model_ultrafast: bool | None = None

    def applied_to(self, llm: Llm) -> Llm:
        """The Retell LLM as this call has it. Raises InvalidRequest when the two do not fit."""
        return change_llm(llm, LlmRequest.model_validate(self.sent()), llm.last_modification_timestamp)


class FlowPart(ModelPart):
    """Conversation flow fields for one call."""

    model_choice: dict[str, JsonValue] | None = None

    def applied_to(self, flow: Flow) -> Flow:
        """The flow as this call has it. Raises InvalidRequest when the two do not fit."""
        return change_flow(flow, FlowChanges.model_validate(self.sent()), flow.last_modification_timestamp)


class AgentOverride(RequestModel):
    """Settings for this call only; the stored agent stays as it is."""

    # It is read when a call starts.
    model_config = ConfigDict(defer_build=False)

    agent: AgentPart | None = None
    retell_llm: LlmPart | None = None
    conversation_flow: FlowPart | None = None

    def stored(self) -> str:
        """The override as JSON text, just what was sent."""
        return orjson.dumps(self.model_dump(mode="json", exclude_unset=True)).decode()

    def applied_to(self, agent: Agent) -> Agent:
        """The agent as this call has it. Raises InvalidRequest when the two do not fit."""
        if self.agent is None:
            return agent
        return change_agent(agent, self.agent, agent.last_modification_timestamp, lambda _url: None)


def with_override(agent: Agent, stored: str | None) -> Agent:
    """The agent with an override that was stored with a call; parsed leniently, as it was checked before."""
    return agent if stored is None else AgentOverride.model_validate_json(stored).applied_to(agent)


class CallRequest(RequestModel):
    """What every way of making a call takes."""

    agent_override: AgentOverride | None = None
    metadata: Metadata | None = None
    retell_llm_dynamic_variables: Variables | None = None


class WebCallRequest(CallRequest):
    """What create-web-call takes, v2 and v3 alike."""

    agent_id: str = Field(min_length=1, max_length=200)
    agent_version: VersionRef | None = None
    current_node_id: ShortText | None = None
    current_state: ShortText | None = None


class RegisterPhoneCallRequest(CallRequest):
    """What register-phone-call takes; the numbers are for the record and may have any form."""

    agent_id: str = Field(min_length=1, max_length=200)
    agent_version: VersionRef | None = None
    from_number: Annotated[str, Field(max_length=64)] | None = None
    to_number: Annotated[str, Field(max_length=64)] | None = None
    direction: Literal["inbound", "outbound"] | None = None


def _check_headers(value: object) -> object:
    for name, text in value.items() if isinstance(value, dict) else ():
        is_name = isinstance(name, str) and _HEADER_NAME.fullmatch(name)
        if not is_name or not isinstance(text, str) or len(text) > _MAX_HEADER_CHARS or not text.isprintable():
            raise PydanticCustomError("sip_header", "must map header names to one line of printable text each")
    return value


class PhoneCallRequest(CallRequest):
    """What create-phone-call takes."""

    from_number: str = Field(min_length=1, max_length=64)
    to_number: str = Field(min_length=1, max_length=64)
    override_agent_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    override_agent_version: VersionRef | None = None
    custom_sip_headers: Annotated[dict[str, str], BeforeValidator(_check_headers)] | None = None
    ignore_e164_validation: bool = False
    honor_internal_dnc: bool = False
    idempotency_key: str | None = None
    """Heeded before the request gets here: `api.idempotency`."""
    drop_call_if_machine_detected: bool | None = None
    """Of v1."""

    def check_numbers(self) -> None:
        """Raise InvalidRequest for a number that is not E.164, unless the client does not want it checked."""
        for name in () if self.ignore_e164_validation else ("from_number", "to_number"):
            number: str = getattr(self, name)
            if not _E164.fullmatch(number):
                raise InvalidRequest(
                    f"{name} must be an E.164 number such as +14157774444, got {number!r}",
                    field=name,
                    fix="write + and the country code first, without spaces; or set ignore_e164_validation",
                )
