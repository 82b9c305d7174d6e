"""Whether the arguments a model wrote are what a tool's JSON schema asks for; if not, words from which it can learn.

Of JSON Schema the keywords that say what a value is: types, names, choices and bounds. What else a schema says is for
the model to read: references would have to be fetched, and patterns may run for ever.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

_SHOWN_CHARS: Final = 60
_TYPES: Final = {
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_CHOICES: Final = ("anyOf", "oneOf")

Schema = Mapping[str, Any]


def fault_in(arguments: Any, schema: Schema) -> str | None:
    """The first thing that is wrong with the arguments, as `guests must be an integer`; None when all is well.

    A schema that is itself malformed asks for nothing there.
    """
    try:
        return next(_faults(arguments, schema, ""), None)
    except RecursionError:
        return "the arguments are nested too deeply"


def _faults(value: Any, schema: Schema, place: str) -> Iterator[str]:
    name = place.removeprefix(".") or "the whole"
    if _has_type(value, schema.get("type")):
        yield from _faults_inside(value, schema, place, name)
    else:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        yield f"{name} must be of the type {' or '.join(map(str, cast('list[Any]', kinds)))}"


def _faults_inside(value: Any, schema: Schema, place: str, name: str) -> Iterator[str]:
    allowed = schema.get("enum")
    if isinstance(allowed, list) and not any(_is_same(value, one) for one in cast("list[Any]", allowed)):
        yield f"{name} must be one of {', '.join(map(_shown, cast('list[Any]', allowed)))}"
    if "const" in schema and not _is_same(value, schema["const"]):
        yield f"{name} must be {_shown(schema['const'])}"
    yield from _faults_of_bounds(value, schema, name)
    if isinstance(value, dict):
        yield from _faults_of_object(cast("dict[str, Any]", value), schema, place)
    if isinstance(value, list) and (items := _schema_at(schema, "items")) is not None:
        for number, item in enumerate(cast("list[Any]", value)):
            yield from _faults(item, items, f"{place}[{number}]")
    for keyword in _CHOICES:
        choices = _schemas_at(schema, keyword)
        if choices and all(next(_faults(value, choice, place), None) is not None for choice in choices):
            yield f"{name} fits none of the forms it may have"
    for part in _schemas_at(schema, "allOf"):
        yield from _faults(value, part, place)


def _faults_of_object(value: dict[str, Any], schema: Schema, place: str) -> Iterator[str]:
    listed = schema.get("required")
    required = cast("list[Any]", listed) if isinstance(listed, list) else []
    for name in required:
        if name not in value:
            yield f"{f'{place}.{name}'.removeprefix('.')} is missing"
    properties = schema.get("properties")
    named = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
    others = schema.get("additionalProperties", True)
    for name, inner in value.items():
        inner_place = f"{place}.{name}"
        if inner is None and name not in required:
            continue  # models write null for what they leave out
        if isinstance(named.get(name), Mapping):
            yield from _faults(inner, named[name], inner_place)
        elif name not in named and others is False:
            yield f"{inner_place.removeprefix('.')[:_SHOWN_CHARS]} is not known"
        elif name not in named and isinstance(others, Mapping):
            yield from _faults(inner, cast("Schema", others), inner_place)


def _faults_of_bounds(value: Any, schema: Schema, name: str) -> Iterator[str]:
    if _is_number(value):
        size, unit, least, most = value, "", "minimum", "maximum"
    elif isinstance(value, str):
        size, unit, least, most = len(value), " characters long", "minLength", "maxLength"
    elif isinstance(value, list):
        size, unit, least, most = len(cast("list[Any]", value)), " items long", "minItems", "maxItems"
    else:
        return
    if _is_number(schema.get(least)) and size < schema[least]:
        yield f"{name} must be at least {schema[least]}{unit}"
    if _is_number(schema.get(most)) and size > schema[most]:
        yield f"{name} must be at most {schema[most]}{unit}"


def _has_type(value: Any, kind: Any) -> bool:
    if isinstance(kind, list):
        kinds = cast("list[Any]", kind)
        return not kinds or any(_has_type(value, one) for one in kinds)
    if kind == "number":
        return _is_number(value)
    if kind == "integer":
        return _is_number(value) and (isinstance(value, int) or value.is_integer())
    return not isinstance(kind, str) or kind not in _TYPES or isinstance(value, _TYPES[kind])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(value: Any, other: Any) -> bool:
    # To Python, True is 1.
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _schema_at(schema: Schema, keyword: str) -> Schema | None:
    part = schema.get(keyword)
    return cast("Schema", part) if isinstance(part, Mapping) else None


def _schemas_at(schema: Schema, keyword: str) -> list[Schema]:
    parts = schema.get(keyword)
    listed = cast("list[Any]", parts) if isinstance(parts, list) else []
    return [cast("Schema", part) for part in listed if isinstance(part, Mapping)]


def _shown(value: Any) -> str:
    return repr(value)[:_SHOWN_CHARS]
