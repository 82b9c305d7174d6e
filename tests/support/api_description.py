"""The API's own description as tests read it: every operation, and a body that each would take."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = {"get", "post", "put", "patch", "delete"}
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    needs_key: bool
    query: Mapping[str, Any]
    """The parameters that must be in the query."""
    body: Any
    """A minimal body, None for an operation without one."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """The names of the parts of the path."""
        return _PLACEHOLDER.findall(self.path)

    def at(self, ids: Mapping[str, str]) -> str:
        """The path with these ids; others are "x"."""
        return _PLACEHOLDER.sub(lambda part: ids.get(part[1], "x"), self.path)

    def body_with(self, ids: Mapping[str, str]) -> Any:
        """The body with these ids in its fields of that name."""
        if not isinstance(self.body, dict):
            return self.body
        return {name: ids.get(name, value) for name, value in self.body.items()}


def operations(description: Mapping[str, Any]) -> Iterator[Operation]:
    """All that a description describes."""
    for path, methods in description["paths"].items():
        for method, details in methods.items():
            if method in _METHODS:
                content = details.get("requestBody", {}).get("content", {})
                schema = content.get("application/json", {}).get("schema")
                body = None if schema is None else _sample(schema, description)
                query = {
                    one["name"]: _sample(one["schema"], description)
                    for one in details.get("parameters", ())
                    if one["in"] == "query" and one.get("required")
                }
                yield Operation(method.upper(), path, bool(details.get("security")), query, body)


def _sample(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Any:
    """The smallest value that a schema allows, near enough."""
    schema = _resolved(schema, description)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    fields = schema.get("properties", {})
    samples: dict[str, Any] = {
        "object": {name: _sample(fields.get(name, {}), description) for name in schema.get("required", ())},
        "array": [_sample(schema["items"], description)] * schema["minItems"] if schema.get("minItems") else [],
        "integer": int(schema.get("minimum", 1)),
        "number": schema.get("minimum", 1),
        "boolean": True,
    }
    return samples.get(schema.get("type", ""), "x" * schema.get("minLength", 1))


def _resolved(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference leads to; the first of several choices."""
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _resolved(schema[choice][0], description)
    if "$ref" not in schema:
        return schema
    target: Any = description
    for name in schema["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return _resolved(target, description)
