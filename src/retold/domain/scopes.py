"""What an API key may do: a small set of scopes, and which one a route asks for.

Retell's paths say what they do: a verb, then a resource. So a route needs no declaration of its own, and one that
nobody thought of asks for `write`.
"""

from collections.abc import Collection
from enum import StrEnum
from itertools import dropwhile


class Scope(StrEnum):
    """One thing a key may do."""

    READ = "read"
    """Get and list everything but API keys."""
    WRITE = "write"
    """Create, change and delete agents, LLMs, numbers and all else that is neither a call nor an API key."""
    CALLS = "calls"
    """Create, change, stop and delete calls."""
    WEB_CALLS = "web_calls"
    """Create and watch web calls: what a browser may be given."""
    ADMIN = "admin"
    """See and manage the organisation's API keys, and read its audit log."""


ALL_SCOPES = tuple(Scope)
PUBLIC_SCOPES = (Scope.WEB_CALLS,)
"""A key with these and no others is a public key."""

_VERSIONS = frozenset({"v1", "v2", "v3"})
_READING_VERBS = frozenset({"get", "list", "search"})
_WEB_CALL_ROUTES = frozenset({"create-web-call", "monitor-call"})


def scope_for(method: str, path: str) -> Scope:
    """The scope that a request needs; `path` may be a template or a path as asked for."""
    name = next(dropwhile(lambda part: part in _VERSIONS, path.strip("/").split("/")), "")
    if name == "get-api-key-info":
        return Scope.READ
    if "api-key" in name or name == "list-audit-log":
        return Scope.ADMIN
    if name == "erase-person":
        return Scope.CALLS
    if name in _WEB_CALL_ROUTES:
        return Scope.WEB_CALLS
    if method in {"GET", "HEAD"} or name.partition("-")[0] in _READING_VERBS:
        return Scope.READ
    return Scope.CALLS if "call" in name.split("-") else Scope.WRITE


def may(scopes: Collection[Scope], needed: Scope) -> bool:
    """Whether a key with these scopes may do what needs this one; `calls` holds `web_calls`."""
    return needed in scopes or (needed is Scope.WEB_CALLS and Scope.CALLS in scopes)
