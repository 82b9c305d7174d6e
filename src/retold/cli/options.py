"""Settings from the environment and the options of a command."""

from typing import TYPE_CHECKING, Any

from retold.cli.failure import fail

if TYPE_CHECKING:
    from retold.settings import Settings


def load_settings(**options: Any) -> "Settings":
    """The settings; options that are None are left to the environment. A wrong one ends the command."""
    from pydantic import ValidationError

    from retold.settings import Settings

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "RETOLD_" + "__".join(str(part) for part in first["loc"]).upper()
        # The value may be a secret.
        shown = "" if "KEY" in name else f", got {str(first['input'])[:100]!r}"
        raise fail(f"setting {name}: {first['msg']}{shown}", f"correct or unset {name}") from error
