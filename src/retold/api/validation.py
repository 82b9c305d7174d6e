"""Turns what pydantic found wrong into one sentence: the field, the value, the remedy; and finds ignored fields."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from retold.domain.call_filter import CallFilter, ToolFilter
from retold.domain.call_filter_v2 import CallFilterV2
from retold.errors import InvalidRequest

_QUOTED = re.compile(r"'([^']*)'")
_SHOWN_CHARS = 60
_MAX_PATH_CHARS = 200
_MAX_TYPO_CHARS = 3
_MAX_PROBLEMS = 50
_FILTERS = sorted({name for filters in (CallFilter, CallFilterV2, ToolFilter) for name in filters.model_fields})


def explain(problems: Sequence[Mapping[str, Any]], body: Any) -> InvalidRequest:
    """One error for a request's problems; the first is told in full, the others are named."""
    first = problems[0]
    field = _field(first["loc"], body)
    message = _sentence(first, field)
    further = dict.fromkeys(_field(problem["loc"], body) for problem in problems[1:_MAX_PROBLEMS])
    others = [name for name in further if name != field]
    if others:
        message += f" (also wrong: {', '.join(others[:10])})"
    return InvalidRequest(message, field=field, fix=_fix(first))


def ignored_fields(sent: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Paths of what the client sent and the model did not keep."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        for name, value in sent.items():
            inner = f"{path}.{name}" if path else str(name)
            if name in kept:
                yield from ignored_fields(value, kept[name], inner)
            else:
                yield inner
    elif isinstance(sent, list) and isinstance(kept, list):
        for index, (value, kept_value) in enumerate(zip(sent, kept, strict=False)):
            if not isinstance(value, dict | list):
                continue
            yield from ignored_fields(value, kept_value, f"{path}[{index}]")


def ignored_warning(path: str, model: type[BaseModel]) -> str:
    """What the warning header says of an ignored field."""
    path = path[:_MAX_PATH_CHARS]
    # Names of another length are no misspellings, and to compare with all names takes milliseconds.
    alike = [name for name in model.model_fields if abs(len(name) - len(path)) <= _MAX_TYPO_CHARS]
    near = difflib.get_close_matches(path, alike, n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"field {shown(path)} is unknown and was ignored{hint}"


def did_you_mean(value: object, choices: Sequence[str]) -> str:
    """A closing hint for a value that is almost one of the choices, else nothing."""
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def shown(value: Any) -> str:
    """A value as JSON, cut to what fits a message."""
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."


def _field(location: Sequence[str | int], body: Any) -> str:
    """`a.b[2]`, without the parts of the location that name a member of a union instead of a field."""
    if location and location[0] in {"query", "path", "header"}:
        return str(location[-1])
    name, here = "", body
    steps = location[1:]
    for index, step in enumerate(steps):
        is_last = index == len(steps) - 1
        if isinstance(step, int):
            name += f"[{step}]"
            here = here[step] if isinstance(here, list) and step < len(here) else None
        elif isinstance(here, dict) and step in here:
            name += f".{step}"
            here = here[step]
        elif is_last and isinstance(here, dict):
            name += f".{step}"
    return name.lstrip(".") or "body"


def _sentence(problem: Mapping[str, Any], field: str) -> str:
    kind, text = problem["type"], problem["msg"]
    if kind == "missing":
        return f"{field} is required" if field != "body" else "the request needs a JSON object as its body"
    if kind == "json_invalid":
        return f"the body is not valid JSON: {text}"
    text = text.removeprefix("Value error, ")
    text = re.sub(r"^(Input|String|List|Dictionary|Value) should ", "must ", text)
    if kind == "extra_forbidden":
        return f"{field} is not known"
    if kind == "union_tag_invalid":
        text = f"has an unknown type; known are {_choices_text(problem)}"
    return f"{field} {text}, got {shown(problem.get('input'))}"


def _fix(problem: Mapping[str, Any]) -> str | None:
    match problem["type"]:
        case "missing":
            return "send it"
        case "extra_forbidden":
            # Only filters forbid what they do not know: a filter that is not applied gives wrong calls.
            return "GET /openapi.json names all filters" + did_you_mean(problem["loc"][-1], _FILTERS)
        case "literal_error" | "enum" | "union_tag_invalid":
            choices = _QUOTED.findall(_choices_text(problem))
            value = problem.get("input")
            if problem["type"] == "union_tag_invalid":
                value = problem["ctx"].get("tag")
            return f"use one of {', '.join(choices)}" + did_you_mean(value, choices)
        case _:
            fix = problem.get("ctx", {}).get("fix")
            return str(fix) if fix else None


def _choices_text(problem: Mapping[str, Any]) -> str:
    context = problem.get("ctx", {})
    return str(context.get("expected", context.get("expected_tags", "")))
