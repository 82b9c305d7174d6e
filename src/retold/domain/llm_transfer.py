"""Where the transfer_call tool leads and how it gets there (SDK 6.2.13, and the forms of 2024)."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from retold.domain.agent_options import LongText, RequestModel, ShortText

RingMs = Annotated[int, Field(ge=5_000, le=90_000)]
OnHoldMusic = Literal["none", "relaxing_sound", "uplifting_beats", "ringtone", "custom"]


class PredefinedDestination(RequestModel):
    """This number (E.164, SIP URI or `{{variable}}`), then this extension as key presses."""

    type: Literal["predefined"]
    number: ShortText
    extension: ShortText | None = None


class InferredDestination(RequestModel):
    """The number that the model finds by this prompt."""

    type: Literal["inferred"]
    prompt: LongText


Destination = Annotated[PredefinedDestination | InferredDestination, Discriminator("type")]


class HandoffPrompt(RequestModel):
    """Words that the model makes by this prompt."""

    type: Literal["prompt"] = "prompt"
    prompt: LongText | None = None


class HandoffMessage(RequestModel):
    """These words."""

    type: Literal["static_message"] = "static_message"
    message: LongText | None = None


Handoff = Annotated[HandoffPrompt | HandoffMessage, Discriminator("type")]


class ColdTransfer(RequestModel):
    """Connect and leave."""

    type: Literal["cold_transfer"]
    cold_transfer_mode: Literal["sip_refer", "sip_invite"] | None = None
    show_transferee_as_caller: bool | None = None
    transfer_ring_duration_ms: RingMs | None = None


class WarmTransfer(RequestModel):
    """Wait for a person, hand over with words, and leave."""

    type: Literal["warm_transfer"]
    agent_detection_timeout_ms: Annotated[float, Field(ge=0)] | None = None
    on_hold_music: OnHoldMusic | None = None
    custom_on_hold_music_asset_id: ShortText | None = None
    opt_out_human_detection: bool | None = None
    enable_bridge_audio_cue: bool | None = None
    private_handoff_option: Handoff | None = None
    public_handoff_option: Handoff | None = None
    ivr_option: HandoffPrompt | None = None
    show_transferee_as_caller: bool | None = None
    transfer_ring_duration_ms: RingMs | None = None


class TransferAgent(RequestModel):
    """The agent that talks to the person who is called."""

    agent_id: ShortText
    agent_version: ShortText | int


class AgenticTransferConfig(RequestModel):
    """Who decides on the transfer, and what happens when nobody does in time."""

    transfer_agent: TransferAgent | None = None
    transfer_timeout_ms: Annotated[float, Field(gt=0)] | None = None
    action_on_timeout: Literal["bridge_transfer", "cancel_transfer"] | None = None


class AgenticWarmTransfer(RequestModel):
    """Let another agent talk to the person first."""

    type: Literal["agentic_warm_transfer"]
    agentic_transfer_config: AgenticTransferConfig
    on_hold_music: OnHoldMusic | None = None
    custom_on_hold_music_asset_id: ShortText | None = None
    enable_bridge_audio_cue: bool | None = None
    public_handoff_option: Handoff | None = None
    show_transferee_as_caller: bool | None = None
    transfer_ring_duration_ms: RingMs | None = None


TransferOption = Annotated[ColdTransfer | WarmTransfer | AgenticWarmTransfer, Discriminator("type")]
