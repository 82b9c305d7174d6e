"""JSON as receivers expect to verify it: compact, in UTF-8 without escapes, in the order of insertion."""

import json
from typing import Any

import orjson


def compact(value: Any) -> bytes:
    """The JSON of a value that JSON text was read into, whatever was in it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # Half a surrogate pair or a number beyond 64 bits, as JSON may bring in: only the slower encoder writes them.
        return json.dumps(value, separators=(",", ":")).encode()


def parsed(text: bytes) -> Any:
    """The value of a JSON text; None when it is none. Numbers beyond 64 bits are kept."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
