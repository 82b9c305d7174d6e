"""Identifiers: how each kind is made, and how keys are hashed."""

import hashlib
import secrets
from typing import NewType

CallId = NewType("CallId", str)
AgentId = NewType("AgentId", str)
OrgId = NewType("OrgId", str)
KeyId = NewType("KeyId", str)

DEFAULT_ORG_ID = OrgId("org_default")
"""The organisation of a server that has only one."""


def new_call_id() -> CallId:
    """`call_` and 27 hex digits, as Retell's."""
    return CallId("call_" + secrets.token_hex(14)[:27])


def new_agent_id() -> AgentId:
    """`agent_` and 26 hex digits, as Retell's."""
    return AgentId("agent_" + secrets.token_hex(13))


def new_job_id() -> str:
    """`job_` and 12 bytes in hex: work that is done in the background."""
    return "job_" + secrets.token_hex(12)


def new_event_id() -> str:
    """`evt_` and 16 bytes in hex: one event for all its deliveries."""
    return "evt_" + secrets.token_hex(16)


def new_llm_id() -> str:
    """`llm_` and 28 hex digits, as Retell's."""
    return "llm_" + secrets.token_hex(14)


def new_tool_use_id() -> str:
    """`call_` and 24 hex digits, for a tool use that the model's server gave no id, or one that was there before."""
    return "call_" + secrets.token_hex(12)


def new_flow_id() -> str:
    """`conversation_flow_` and 12 bytes in hex."""
    return "conversation_flow_" + secrets.token_hex(12)


def new_component_id() -> str:
    """`conversation_flow_component_` and 12 bytes in hex."""
    return "conversation_flow_component_" + secrets.token_hex(12)


def new_erasure_id() -> str:
    """`erasure_` and 12 bytes in hex."""
    return "erasure_" + secrets.token_hex(12)


def new_key_id() -> KeyId:
    """The public name of an API key, safe to show and log."""
    return KeyId("apikey_" + secrets.token_hex(8))


def new_api_key() -> str:
    """A fresh API key: `key_` and 256 random bits in hex; shown once, stored only as a hash."""
    return "key_" + secrets.token_hex(32)


def new_public_key() -> str:
    """The same for a key that browsers are given; its beginning says so."""
    return "public_key_" + secrets.token_hex(32)


def shown_prefix(key: str) -> str:
    """The first characters of an API key, by which its owner recognises it: at most a quarter of the key."""
    return key[: min(8, len(key) // 4)]


def new_access_token() -> str:
    """An opaque token of 256 random bits for joining one web call."""
    return secrets.token_urlsafe(32)


def new_path_token(*, is_signed: bool = False) -> str:
    """32 characters for an address that must not be guessed, 128 random bits.

    124 and a mark, if it is to be served with a signature only.
    """
    token = secrets.token_hex(PATH_TOKEN_CHARS // 2)
    return SIGNED_MARK + token[1:] if is_signed else token


PATH_TOKEN_CHARS = 32
SIGNED_MARK = "s"
"""No hexadecimal digit, so that no other token begins with it."""


def hash_api_key(key: str) -> str:
    """SHA-256 in hex; keys are 256 random bits, so no salt or stretching is needed."""
    return hashlib.sha256(key.encode()).hexdigest()
