"""Whether a JSON schema can be held to strictly, and how that is written.

Strict tools of OpenAI want every object closed and every property required; those of Anthropic want objects closed.
Sources: "Structured outputs" of both vendors. A schema with properties that may be left out is not rewritten, because
the tool would then get nulls that its author never allowed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

_NAMED: Final = frozenset({"properties", "$defs", "definitions"})
_LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE: Final = frozenset({"items", "not"})

Schema = Mapping[str, Any]


def strict_form(schema: Schema) -> dict[str, Any] | None:
    """The schema with every object closed, or None when one of its objects is open or has optional properties."""
    return _closed(schema) if _is_fixed(schema) else None


def _is_fixed(schema: Schema) -> bool:
    if _is_object(schema):
        properties = set(schema.get("properties") or ())
        if properties != set(schema.get("required") or ()) or schema.get("additionalProperties", False) is not False:
            return False
    return all(_is_fixed(part) for part in _parts(schema))


def _closed(schema: Schema) -> dict[str, Any]:
    inner = _with_parts(schema, _closed)
    return inner | {"additionalProperties": False} if _is_object(schema) else inner


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object" or "properties" in schema


def _parts(schema: Schema) -> Iterator[Schema]:
    found: list[Schema] = []

    def note(part: Schema) -> dict[str, Any]:
        found.append(part)
        return {}

    _with_parts(schema, note)
    return iter(found)


def _with_parts(schema: Schema, change: Callable[[Schema], dict[str, Any]]) -> dict[str, Any]:
    """The schema with each schema directly inside it changed; what is malformed stays as it is."""

    def changed(keyword: str, value: Any) -> Any:
        if keyword in _NAMED and isinstance(value, Mapping):
            named = cast("Mapping[str, Any]", value)
            return {name: change(part) if isinstance(part, Mapping) else part for name, part in named.items()}
        if keyword in _LISTED and isinstance(value, list):
            listed = cast("list[Any]", value)
            return [change(part) if isinstance(part, Mapping) else part for part in listed]
        return change(cast("Schema", value)) if keyword in _SINGLE and isinstance(value, Mapping) else value

    return {keyword: changed(keyword, value) for keyword, value in schema.items()}
