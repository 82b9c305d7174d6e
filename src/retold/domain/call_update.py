"""What the requests that change a call take: SDK 6.2.13 `call_update_params.py` and `call_update_live_params.py`."""

from typing import Annotated

from pydantic import Field, JsonValue

from retold.domain.agent_options import RequestModel
from retold.domain.call_parts import DataStorageSetting
from retold.domain.call_request import Metadata, Variables


class UpdateCallRequest(RequestModel):
    """What update-call takes: a field that is absent or null stays as it is."""

    metadata: Metadata | None = None
    data_storage_setting: DataStorageSetting | None = None
    custom_attributes: dict[str, str | int | float | bool] | None = None
    override_dynamic_variables: dict[str, JsonValue] | None = None
    """Of early 2026; update-live-call takes it since."""


class FieldsToOverride(RequestModel):
    """What update-live-call may change of the call itself."""

    metadata: Metadata | None = None
    data_storage_setting: DataStorageSetting | None = None
    override_dynamic_variables: Variables | None = None
    """Added to those of the call; null drops all that were set this way."""


class CallControl(RequestModel):
    """What update-live-call may ask of the agent."""

    additional_context: Annotated[str, Field(min_length=1, max_length=50_000)] | None = None
    trigger_response: bool | None = None


class UpdateLiveCallRequest(RequestModel):
    """What update-live-call takes."""

    fields_to_override: FieldsToOverride | None = None
    call_control: CallControl | None = None
