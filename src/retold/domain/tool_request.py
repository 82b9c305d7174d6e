"""The request that a custom tool makes to its web service, before it is signed.

Source: Retell's "Custom function" page. POST, PUT and PATCH carry `{"name", "call", "args"}`, or the arguments alone;
GET and DELETE carry nothing, so their arguments go into the query.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from retold.domain.json_text import compact
from retold.domain.llm_tools import CustomTool
from retold.domain.variables import Variables, text_of

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_ORIGIN: Final = re.compile(r"(?:[a-zA-Z]+://)?[^/?#]*")
"""Of an address, what stands before its path."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What is to be sent; a body of None is none at all."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def tool_request(
    tool: CustomTool, tool_call_id: str, arguments: Mapping[str, Any], call: Mapping[str, Any], variables: Variables
) -> ToolRequest:
    """The request for these arguments; `call` is the call object as it stands now."""
    method = tool.method or "POST"
    query = {name: variables.fill(value) for name, value in (tool.query_params or {}).items()}
    headers = {"Idempotency-Key": tool_call_id}
    body = None
    if method in _WITH_BODY:
        headers["Content-Type"] = "application/json"
        body = compact(arguments if tool.args_at_root else {"name": tool.name, "call": call, "args": arguments})
    else:
        query = {name: text_of(value) for name, value in arguments.items()} | query
    given = {name.lower() for name in tool.headers or {}}
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    return ToolRequest(
        method, web_address(tool.url, query, variables), headers | filled_headers(tool.headers, variables), body
    )


def web_address(template: str, query: Mapping[str, str], variables: Variables) -> str:
    """The address with variables filled in and the query added.

    A value is percent-encoded, so that it stays inside the part of the address it stands in; only before the path it
    may bring slashes and a port, and one that the address begins with is taken for the beginning of an address.
    """
    without_fragment = template.partition("#")[0]
    origin = _ORIGIN.match(without_fragment)
    end = origin.end() if origin else 0
    is_address = template.startswith("{{")
    start = variables.fill(
        without_fragment[:end], quoted=(lambda value: value.partition("#")[0]) if is_address else _quoted_in_origin
    )
    address = start + variables.fill(without_fragment[end:], quoted=_quoted)
    added = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in query.items())
    if not added:
        return address
    return f"{address}{'&' if '?' in address else '?'}{added}"


def filled_headers(headers: Mapping[str, str] | None, variables: Variables) -> dict[str, str]:
    """Headers with variables filled in; what would break a header in two becomes a space."""
    filled = {name: variables.fill(value) for name, value in (headers or {}).items()}
    return {name: _CONTROL.sub(" ", value).strip() for name, value in filled.items()}


def _quoted(value: str) -> str:
    return quote(value, safe="", errors="replace")


def _quoted_in_origin(value: str) -> str:
    return quote(value, safe="/:", errors="replace")
