"""Where in a JSON text something stands: the field that an error names. Only for bodies that are refused."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Final

# Every repetition is possessive and a string needs no end, so that no input is looked at twice.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)
_MAX_TOKENS: Final = 250_000
"""Further into a body that is refused anyway, the place is not worth the time."""
_MAX_NAME_CHARS: Final = 40
_MAX_PATH_CHARS: Final = 200

IsWanted = Callable[[bytes, int], bool]
"""Whether this token, with so many brackets open around it, is the one."""


def path_of(body: bytes, is_wanted: IsWanted) -> str:
    """`a.b[2]` for the first wanted token, `body` for the whole or when none is found; in one pass."""
    steps: list[bytes | int] = []
    text = b""
    for match in islice(_TOKEN.finditer(body), _MAX_TOKENS):
        token = match.group()
        if is_wanted(token, len(steps)):
            return joined(steps)
        match token[:1]:
            case b"{":
                steps.append(b"")
            case b"[":
                steps.append(0)
            case b"}" | b"]":
                del steps[-1:]
            case b'"':
                text = token
            case b":" if steps and isinstance(steps[-1], bytes):
                steps[-1] = text[1:-1]
            case b"," if steps and isinstance(steps[-1], int):
                steps[-1] += 1
            case _:
                pass
    return "body"


def joined(steps: list[bytes | int]) -> str:
    """The steps as one path, cut to what fits an error."""
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step[:_MAX_NAME_CHARS].decode('ascii', 'backslashreplace')}"
        for step in steps
    )
    return path.lstrip(".")[:_MAX_PATH_CHARS] or "body"
