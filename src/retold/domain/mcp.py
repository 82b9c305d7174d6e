"""MCP servers and what they tell, as values: no protocol, no connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from retold.domain.json_text import compact, parsed
from retold.domain.llm import Mcp
from retold.domain.tool_request import filled_headers, web_address
from retold.domain.variables import Variables

MAX_SCHEMA_CHARS: Final = 20_000
"""Of what a server says of a tool's arguments: each request to a model carries it."""


@dataclass(frozen=True, slots=True)
class McpAddress:
    """Where an MCP server is, and the headers it is asked with."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class McpToolInfo:
    """A tool as its server describes it."""

    name: str
    description: str
    input_schema: dict[str, Any]

    @property
    def is_plain(self) -> bool:
        """Whether a model may be offered it as it is: its arguments are an object, described in reasonable length."""
        schema = self.input_schema
        is_object = schema.get("type") == "object" and isinstance(schema.get("properties", {}), dict)
        return is_object and len(compact(schema)) <= MAX_SCHEMA_CHARS

    def wire(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"name": self.name, "description": self.description, "inputSchema": self.input_schema}


@dataclass(frozen=True, slots=True)
class McpAnswer:
    """What a tool of an MCP server gave."""

    text: str
    is_error: bool = False
    document: JsonValue = None
    """What paths lead into: structured content, or the JSON that the text is."""


def arguments_schema(described: Mapping[str, str]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments from its `input_schema`, a map of texts.

    Each text is the JSON schema of an argument, or words about it; or they are the parts of one schema of them all.
    """
    parts = {name: _schema_or_text(text) for name, text in described.items()}
    if parts.get("type") == "object" and isinstance(parts.get("properties"), dict):
        return parts
    properties = {
        name: part if isinstance(part, dict) else {"type": "string", "description": described[name]}
        for name, part in parts.items()
    }
    return {"type": "object", "properties": properties, "required": []}


def _schema_or_text(text: str) -> Any:
    found = parsed(text.encode(errors="replace")) if text.lstrip()[:1] in {"{", "["} else None
    return text if found is None else found


def server_named(mcps: Iterable[Mcp], mcp_id: str | None) -> Mcp | None:
    """The server of that id or name; without one, the only server there is."""
    servers: list[Mcp] = []
    for mcp in mcps:
        # A flow lists a server under each of its names.
        if mcp not in servers:
            servers.append(mcp)
    if mcp_id is None:
        return servers[0] if len(servers) == 1 else None
    return next((mcp for mcp in servers if mcp_id in (getattr(mcp, "mcp_id", None), mcp.name)), None)


def address_of(mcp: Mcp, variables: Variables) -> McpAddress:
    """The server's address and headers with variables filled in."""
    query = {name: variables.fill(value) for name, value in (mcp.query_params or {}).items()}
    headers = filled_headers(mcp.headers, variables)
    return McpAddress(web_address(mcp.url, query, variables), tuple(headers.items()))
