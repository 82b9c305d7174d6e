"""The API key resource, without its secret: what is kept, listed and asked at the door."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from retold.domain.scopes import ALL_SCOPES, Scope, may
from retold.ids import KeyId, OrgId

MAX_GRACE_S = 7 * 24 * 3600
"""How long a rolled key may go on working."""
DEFAULT_GRACE_S = 24 * 3600
MAX_KEY_NAME_CHARS = 200


def _each_once(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    return tuple(scope for scope in Scope if scope in scopes)


Scopes = Annotated[tuple[Scope, ...], AfterValidator(_each_once), Field(min_length=1, max_length=20)]


class ApiKey(BaseModel):
    """A key as its organisation sees it. `key_prefix` is how its owner recognises it; times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True)

    api_key_id: KeyId
    org_id: OrgId
    api_key_name: str
    key_prefix: str
    scopes: tuple[Scope, ...] = ALL_SCOPES
    is_webhook_key: bool = False
    """Whether webhooks are signed with it, or will be once the one before it has expired."""
    created_timestamp: int
    expires_timestamp: int | None = None
    revoked_timestamp: int | None = None
    last_used_timestamp: int | None = None
    """To the minute."""

    def is_usable(self, now_ms: int) -> bool:
        """Whether it opens anything at this wall time."""
        is_expired = self.expires_timestamp is not None and self.expires_timestamp <= now_ms
        return self.revoked_timestamp is None and not is_expired

    def may(self, needed: Scope) -> bool:
        """Whether its scopes hold this one."""
        return may(self.scopes, needed)

    def wire(self) -> dict[str, JsonValue]:
        """As it is sent."""
        return self.model_dump(mode="json", exclude_none=True)


class NewKey(BaseModel):
    """What is asked of a key that is to be made."""

    model_config = ConfigDict(frozen=True)

    api_key_name: str = Field(default="unnamed", min_length=1, max_length=MAX_KEY_NAME_CHARS)
    scopes: Scopes = ALL_SCOPES
    expires_timestamp: int | None = Field(default=None, ge=0, le=2**53, description="epoch milliseconds")
    is_webhook_key: bool = Field(default=False, description="sign webhooks with it, in place of the key so far")


class KeyChanges(BaseModel):
    """What may change of a key that is there; null lets it live for ever."""

    model_config = ConfigDict(frozen=True)

    api_key_name: str | None = Field(default=None, min_length=1, max_length=MAX_KEY_NAME_CHARS)
    scopes: Scopes | None = None
    expires_timestamp: int | None = Field(default=None, ge=0, le=2**53, description="epoch milliseconds")

    def applied_to(self, key: ApiKey) -> ApiKey:
        """The key with these changes; null is taken for the expiry only."""
        changes: dict[str, Any] = self.model_dump(exclude_unset=True)
        return key.model_copy(
            update={name: value for name, value in changes.items() if value is not None or name == "expires_timestamp"}
        )


class KeyRoll(BaseModel):
    """How a key is replaced by another with its name and scopes."""

    model_config = ConfigDict(frozen=True)

    grace_s: int = Field(
        default=DEFAULT_GRACE_S, ge=0, le=MAX_GRACE_S, description="how long the old key goes on working"
    )
