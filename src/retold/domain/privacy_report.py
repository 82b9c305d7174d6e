"""What an organisation has to know about what is kept of its calls."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeptCalls(_Part):
    """The calls under one storage setting."""

    data_storage_setting: str
    calls: int
    first_timestamp: int
    """When the first of them started, or was made."""
    last_timestamp: int
    kept_for_ever: int
    """Those that no retention ends."""
    next_erasure_timestamp: int | None = None


class AgentSettingsShown(_Part):
    """What an agent's latest version asks for."""

    agent_id: str
    agent_name: str | None = None
    version: int
    data_storage_setting: str
    data_storage_retention_days: int | None = None
    opt_out_sensitive_data_storage: bool = False
    opt_in_signed_url: bool
    pii_categories: list[str] = []


class PrivacyReport(_Part):
    """What is kept, where, for how long, which settings are in force, and what was erased."""

    org_id: str
    made_timestamp: int
    database: str
    """`sqlite` or `postgresql`."""
    kept_calls: list[KeptCalls]
    overdue_calls: int
    """Calls whose days are over and that are still there: the next look, a minute away at most, erases them."""
    rows: dict[str, int]
    """Beside the calls, by table: journals of calls that go on, webhook events and the like."""
    agents: list[AgentSettingsShown]
    erased_calls: int
    """Marks of calls that were deleted: id, organisation and time, and nothing else."""
    erasures: dict[str, int]
    """By kind."""
    unfinished_erasures: int

    def wire(self) -> dict[str, Any]:
        """The report as the API shows it."""
        return self.model_dump(mode="json", exclude_none=True)
