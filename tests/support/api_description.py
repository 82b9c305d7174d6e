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
    query_names: tuple[str, ...]
    """All parameters that the query may have."""
    body: Any
    """A minimal body, None for an operation without one."""
    schema: Mapping[str, Any] | None
    """Of the body."""

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
                queried = [one for one in details.get("parameters", ()) if one["in"] == "query"]
                needed = {one["name"]: _sample(one["schema"], description) for one in queried if one.get("required")}
                names = tuple(one["name"] for one in queried)
                yield Operation(method.upper(), path, bool(details.get("security")), needed, names, body, schema)


Place = tuple[str | int, ...]
"""The steps to a part of a JSON value."""
_MAX_DEPTH = 8


def with_text_in_each_place(
    operation: Operation, description: Mapping[str, Any], ids: Mapping[str, str], text: str
) -> Iterator[tuple[Place, Any]]:
    """Bodies with this text in one place each, minimal but for it, until every place that takes a text had it."""
    if operation.schema is None:
        return
    seen: set[Place] = set()
    for place, body in _with_text(operation.schema, description, text, ()):
        if place in seen:
            continue
        seen.add(place)
        # A field that holds the text is not overwritten with the id that makes the others valid.
        known = {name: value for name, value in ids.items() if name != place[0]} if place else {}
        yield place, {name: known.get(name, value) for name, value in body.items()} if isinstance(body, dict) else body


def _with_text(
    schema: Mapping[str, Any], description: Mapping[str, Any], text: str, place: Place
) -> Iterator[tuple[Place, Any]]:
    if len(place) > _MAX_DEPTH:
        return
    if "$ref" in schema:
        yield from _with_text(_target(schema["$ref"], description), description, text, place)
    for choices in (schema[key] for key in ("anyOf", "oneOf", "allOf") if key in schema):
        for choice in choices:
            yield from _with_text(choice, description, text, place)
    types = schema.get("type", [])
    if "string" in types:
        yield place, text
    if "array" in types:
        for inner, value in _with_text(schema.get("items", {}), description, text, (*place, 0)):
            yield inner, [value]
    if "object" in types:
        yield from _in_object(schema, description, text, place)


def _in_object(
    schema: Mapping[str, Any], description: Mapping[str, Any], text: str, place: Place
) -> Iterator[tuple[Place, Any]]:
    minimal = _sample(schema, description)
    for name, field in schema.get("properties", {}).items():
        for inner, value in _with_text(field, description, text, (*place, name)):
            yield inner, {**minimal, name: value}
    if schema.get("additionalProperties", not schema.get("properties")):
        yield (*place, text), {**minimal, text: text}


def _target(reference: str, description: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = description
    for name in reference.removeprefix("#/").split("/"):
        target = target[name]
    return target


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
        "array": [_sample(schema.get("items", {}), description) for _ in range(schema.get("minItems", 0))],
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
    return _resolved(_target(schema["$ref"], description), description)
