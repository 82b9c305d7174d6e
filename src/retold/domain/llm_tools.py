"""The tools of a Retell LLM: all types of SDK 6.2.13, the Cal.com tools before 6.0 and the transfers of 2024."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, JsonValue, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from retold.domain.agent_options import AnalysisItem, EnumAnalysisItem, LongText, RequestModel, ShortText
from retold.domain.llm_transfer import Destination, Handoff, TransferOption

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\r\n\x00]*$", max_length=8_000)]
Headers = dict[HeaderName, HeaderValue]
SipHeaders = dict[Annotated[HeaderName, StringConstraints(pattern="^[Xx]-")], HeaderValue]
Texts = dict[ShortText, LongText]


def _check_url(url: str) -> str:
    if not url.startswith(("http://", "https://", "{{")):
        raise PydanticCustomError("url", "must begin with https:// or http://", {"fix": "use https://example.com/..."})
    return url


ToolUrl = Annotated[str, StringConstraints(max_length=2_048), AfterValidator(_check_url)]


class JsonSchema(RequestModel):
    """A JSON Schema of an object; what else it says is kept."""

    model_config = ConfigDict(extra="allow")

    type: Literal["object"]
    properties: dict[str, JsonValue]
    required: list[ShortText] | None = None


class NamedTool(RequestModel):
    """What all tools have: the name the model calls them by, and when to."""

    name: ToolName
    description: LongText | None = None


class SpokenTool(NamedTool):
    """A tool while whose execution the agent may say something."""

    speak_during_execution: bool | None = None
    execution_message_description: LongText | None = None
    execution_message_type: Literal["prompt", "static_text"] | None = None


class AnsweringTool(SpokenTool):
    """A tool whose result the agent may talk about."""

    speak_after_execution: bool | None = None
    enable_typing_sound: bool | None = None
    response_variables: Texts | None = None


class EndCall(SpokenTool):
    """Hang up."""

    type: Literal["end_call"]
    custom_sip_headers: SipHeaders | None = None


class TransferCall(SpokenTool):
    """Connect the caller to somebody else."""

    type: Literal["transfer_call"]
    transfer_destination: Destination | None = None
    transfer_option: TransferOption | None = None
    custom_sip_headers: SipHeaders | None = None
    ignore_e164_validation: bool | None = None
    # The form of 2024.
    number: ShortText | None = None
    warm_transfer_option: Handoff | None = None
    show_transferee_as_caller: bool | None = None

    @model_validator(mode="after")
    def _check_destination(self) -> "TransferCall":
        if self.number is None and (self.transfer_destination is None or self.transfer_option is None):
            raise PydanticCustomError(
                "transfer", "must have transfer_destination and transfer_option", {"fix": "send both"}
            )
        return self


class AgentSwap(SpokenTool):
    """Let another agent go on with the call."""

    type: Literal["agent_swap"]
    agent_id: ShortText
    agent_version: ShortText | int | None = None
    post_call_analysis_setting: Literal["both_agents", "only_destination_agent"]
    webhook_setting: Literal["both_agents", "only_destination_agent", "only_source_agent"] | None = None
    keep_current_language: bool | None = None
    keep_current_voice: bool | None = None
    use_swap_agent_max_duration: bool | None = None


class PressDigit(NamedTool):
    """Send key presses."""

    type: Literal["press_digit"]
    delay_ms: Annotated[int, Field(ge=0, le=5_000)] | None = None


class PredefinedSms(RequestModel):
    """This text; an older specification calls it content."""

    type: Literal["predefined"]
    text: LongText | None = None
    content: LongText | None = None


class InferredSms(RequestModel):
    """A text that the model makes by this prompt."""

    type: Literal["inferred"]
    prompt: LongText | None = None


class TemplateSms(RequestModel):
    """A ready-made text."""

    type: Literal["template"]
    template: Literal["info_collection"]


class CustomerNumber(RequestModel):
    """To whom the agent talks."""

    type: Literal["customer_number"]


class OtherNumber(RequestModel):
    """To this number."""

    type: Literal["phone_number"]
    phone_number: ShortText
    ignore_e164_validation: bool | None = None


class SmsSender(RequestModel):
    """From the number of the call, or from one that the server has for that."""

    type: Literal["current_number", "retell_long_code"]


class SendSms(SpokenTool):
    """Send a text message."""

    type: Literal["send_sms"]
    sms_content: Annotated[PredefinedSms | InferredSms | TemplateSms, Discriminator("type")]
    sms_destination: Annotated[CustomerNumber | OtherNumber, Discriminator("type")] | None = None
    sms_sender: SmsSender | None = None
    speak_after_execution: bool | None = None


class CustomTool(AnsweringTool):
    """Call a web service of the customer."""

    type: Literal["custom"]
    url: ToolUrl
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    headers: Headers | None = None
    query_params: Texts | None = None
    parameters: JsonSchema | None = None
    parameter_type: Literal["json", "form"] | None = None
    args_at_root: bool | None = None
    max_retry: Annotated[int, Field(ge=0, le=5)] | None = None
    timeout_ms: Annotated[int, Field(ge=1_000, le=600_000)] | None = None


class CodeTool(AnsweringTool):
    """Run JavaScript."""

    type: Literal["code"]
    code: Annotated[str, Field(max_length=20_000)]
    timeout_ms: Annotated[int, Field(ge=5_000, le=60_000)] | None = None


class ExtractDynamicVariable(NamedTool):
    """Read variables out of the conversation."""

    type: Literal["extract_dynamic_variable"]
    description: LongText  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride] - required here
    variables: list[Annotated[AnalysisItem | EnumAnalysisItem, Discriminator("type")]]
    enable_typing_sound: bool | None = None


class BridgeTransfer(SpokenTool):
    """Of a transfer agent: connect the two parties."""

    type: Literal["bridge_transfer"]


class CancelTransfer(SpokenTool):
    """Of a transfer agent: do not connect them."""

    type: Literal["cancel_transfer"]


class McpTool(AnsweringTool):
    """Call a tool of an MCP server."""

    type: Literal["mcp"]
    description: LongText  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride] - required here
    mcp_id: ShortText | None = None
    input_schema: Texts | None = None


class OutputSelection(RequestModel):
    """Which fields of an app's answer the model sees."""

    mode: Literal["all", "subset"]
    fields: list[ShortText] | None = None


class IntegrationApp(AnsweringTool):
    """Call a connected app."""

    type: Literal["integration_app"]
    app_id: ShortText
    app_tool_template_name: ShortText
    provider: ShortText
    parameters: list[JsonSchema] | None = None
    output_selection: OutputSelection | None = None


class CalComTool(NamedTool):
    """Look up or book a time at Cal.com."""

    type: Literal["check_availability_cal", "book_appointment_cal"]
    cal_api_key: ShortText
    event_type_id: float | ShortText
    timezone: ShortText | None = None


Tool = Annotated[
    EndCall
    | TransferCall
    | AgentSwap
    | PressDigit
    | SendSms
    | CustomTool
    | CodeTool
    | ExtractDynamicVariable
    | BridgeTransfer
    | CancelTransfer
    | McpTool
    | IntegrationApp
    | CalComTool,
    Discriminator("type"),
]
