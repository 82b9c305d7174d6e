"""Dynamic variables: `{{name}}` in texts and addresses.

Rules of Retell's "Dynamic variables" page: spaces around the name do not count, inner placeholders are resolved
first, an empty value is a value, and a missing one leaves the placeholder as it stands.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

_PLACEHOLDER: Final = re.compile(r"\{\{([^{}]*)\}\}")
_MAX_DEPTH: Final = 4


def substitute(
    template: str, variables: Mapping[str, JsonValue], *, quoted: Callable[[str], str] = lambda value: value
) -> str:
    """Replace each known `{{name}}`; every value passes through `quoted` on its way in."""

    def value_of(match: re.Match[str]) -> str:
        value = variables.get(match[1].strip())
        return match[0] if value is None else quoted(value if isinstance(value, str) else str(value))

    # The template is scanned once per level of nesting; braces that a value brings in may only nest that deep.
    for _ in range(_MAX_DEPTH):
        replaced = _PLACEHOLDER.sub(value_of, template)
        if replaced == template:
            break
        template = replaced
    return template
