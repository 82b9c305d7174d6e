"""Values inside a JSON document by their path: `response_variables` of tools."""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

_STEP: Final = re.compile(r"""\.?([^.\[\]]+)|\.?\[\s*(?:(-?\d{1,9})|"([^"]*)"|'([^']*)')\s*\]""")


def value_at(document: JsonValue, path: str) -> JsonValue:
    """What stands at `user.names[0]` or `$["user"].names.0`; None where nothing does, and for what is no path.

    A path is names and places in lists, `[-1]` being the last; `$` or nothing stands for the document itself.
    """
    path = path.strip().removeprefix("$")
    here, at = document, 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        plain, place, *quoted = step.groups()
        name = next((text for text in quoted if text is not None), plain)
        here = _inside(here, place if name is None else name)
        at = step.end()
    return here


def values_at(document: JsonValue, paths: Mapping[str, str]) -> dict[str, JsonValue]:
    """By the names of variables, what stands at their paths; without those where nothing does, or null."""
    found = {name: value_at(document, path) for name, path in paths.items()}
    return {name: value for name, value in found.items() if value is not None}


def _inside(here: JsonValue, step: str) -> JsonValue:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and re.fullmatch(r"-?[0-9]{1,9}", step) and -len(here) <= int(step) < len(here):
        return here[int(step)]
    return None
