"""Print docs/reference/settings.md, made from the Settings model; redirect it into that file."""

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from retold.settings import Settings

HEAD = """\
# Settings

Every setting is an environment variable; nothing else configures a server. `--host`, `--port` and `--data-dir` of
`retold serve` go before their variables. Lists are comma separated, times are milliseconds.

<!-- Made by scripts/settings_reference.py from src/retold/settings.py; a test compares. -->

| variable | default | what it does |
|---|---|---|
"""


def main() -> None:
    """Print the page."""
    print(HEAD + "\n".join(_rows(Settings, "RETOLD_")))


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows += _rows(kind, f"{prefix}{name.upper()}__")
        else:
            rows.append(f"| `{prefix}{name.upper()}` | {_default(field)} | {_meaning(field)} |")
    return rows


def _default(field: FieldInfo) -> str:
    default = field.get_default()
    if default in (None, (), {}) or isinstance(default, SecretStr):
        return "-"
    return f"`{default}`"


def _meaning(field: FieldInfo) -> str:
    choices = getattr(field.annotation, "__args__", ())
    listed = " (" + ", ".join(f"`{choice}`" for choice in choices) + ")" if _are_words(choices) else ""
    return (field.description or "").replace("|", "\\|") + listed


def _are_words(choices: tuple[object, ...]) -> bool:
    return bool(choices) and all(isinstance(choice, str) for choice in choices)


if __name__ == "__main__":
    main()
