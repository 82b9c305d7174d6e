"""Dynamic variables are replaced as Retell documents it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from retold.domain.variables import substitute

VARIABLES: dict[str, JsonValue] = {
    "name": "Ada",
    "empty": "",
    "null": None,
    "number": 7,
    "zone": "Europe/Berlin",
    "time_Europe/Berlin": "noon",
    "loop": "{{loop}}",
    "two words": "2w",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("hi {{name}}!", "hi Ada!"),
        ("{{ name }}{{name}}", "AdaAda"),
        ("[{{empty}}]", "[]"),
        ("{{null}} {{missing}}", "{{null}} {{missing}}"),
        ("{{ missing }}", "{{ missing }}"),
        ("{{number}}", "7"),
        ("{{time_{{zone}} }}", "noon"),
        ("{{time_{{elsewhere}} }}", "{{time_{{elsewhere}} }}"),
        ("{name} {{name} {{}}", "{name} {{name} {{}}"),
        ("{{loop}}", "{{loop}}"),
        ("{{two words}}", "2w"),
        ("{{name.__class__}}", "{{name.__class__}}"),
    ],
)
def test_placeholders_are_replaced(template: str, text: str) -> None:
    assert substitute(template, VARIABLES) == text


def test_values_are_quoted_on_their_way_in() -> None:
    assert substitute("{{name}} {{number}} {{missing}}", VARIABLES, quoted=lambda value: f"<{value}>") == (
        "<Ada> <7> {{missing}}"
    )


@given(st.text(alphabet="{} ab"), st.dictionaries(st.text(alphabet="{} ab", max_size=3), st.text(alphabet="{}ab")))
def test_any_template_is_harmless(template: str, variables: dict[str, str]) -> None:
    substitute(template, dict(variables))


def test_values_that_bring_placeholders_in_are_followed_four_deep() -> None:
    chain: dict[str, JsonValue] = {"a": "{{b}}", "b": "{{c}}", "c": "{{d}}", "d": "{{e}}", "e": "never reached"}
    assert substitute("{{a}}", chain) == "{{e}}"
