"""Dynamic variables are replaced as Retell documents it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from retold.domain.variables import MAX_FOLLOWED, MAX_NESTED, MAX_READ_CHARS, Variables, fill, substitute

VARIABLES: dict[str, JsonValue] = {
    "name": "Ada",
    "empty": "",
    "null": None,
    "number": 7,
    "zone": "Europe/Berlin",
    "time_Europe/Berlin": "noon",
    "loop": "{{loop}}",
    "two words": "2w",
    "yes": True,
    "list": ["ä", 1.5, None],
    "open": "{{",
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
        ("{{yes}} {{list}}", 'true ["ä",1.5,null]'),
        ('{"a":{"b":"{{name}}"}}', '{"a":{"b":"Ada"}}'),
        ('{"a":{{{number}}}}', '{"a":{7}}'),
        ('{"a":{{number}}}', '{"a":7}'),
        ("{{{{name}}}}", "{{Ada}}"),
        ("{{open}}name}}", "{{name}}"),
        ("}} {{name}} {{", "}} Ada {{"),
        ("{{a {{name}}", "{{a Ada"),
        ("{{missing_{{name}}}}", "{{missing_Ada}}"),
        ("{{\n name\t}}", "Ada"),
    ],
)
def test_placeholders_are_replaced(template: str, text: str) -> None:
    assert substitute(template, VARIABLES) == text


INJECTIONS = (
    "{{name.__class__}}",
    "{{name.__class__.__mro__[1].__subclasses__()}}",
    "{{name[0]}}",
    "{{name|upper}}",
    "{{7*7}}",
    "{{ 7 * 7 }}",
    "{{config}}",
    "{{self.__init__.__globals__}}",
    "{{request.application}}",
    "{{cycler.__init__.__globals__.os.popen('id').read()}}",
    "{{__import__('os').system('id')}}",
    "{{#with name}}{{/with}}",
    "{{> partial}}",
    "{{!comment}}",
    "{{&name}}",
    "{% if name %}x{% endif %}",
    "{% raw %}{{7*7}}{% endraw %}",
    "{# comment #}",
    "${7*7} #{7*7} <%= 7*7 %> *{7*7} @(7*7)",
    "{name} {0} {name.__class__} {!r}",
    "%(name)s %s $name ${name}",
    "{{constructor.constructor('return 1')()}}",
    "{{get}} {{value}} {{__dict__}} {{keys}}",
)


@pytest.mark.parametrize("template", INJECTIONS)
def test_nothing_is_evaluated(template: str) -> None:
    assert substitute(template, VARIABLES) == template
    # Nor when it comes out of a variable, or out of the conversation.
    assert substitute("<{{x}}>", {**VARIABLES, "x": template}) == f"<{template}>"
    assert Variables(of_request=VARIABLES, collected={"x": template}).fill("<{{x}}>") == f"<{template}>"


def test_values_are_quoted_on_their_way_in() -> None:
    assert substitute("{{name}} {{number}} {{missing}}", VARIABLES, quoted=lambda value: f"<{value}>") == (
        "<Ada> <7> {{missing}}"
    )


def test_values_inside_an_address_are_quoted_once() -> None:
    variables: dict[str, JsonValue] = {"path": "a {{name}}", "name": "b c", "which": "na", "na me": "d e"}

    def quoted(value: str) -> str:
        return f"<{value}>"

    assert substitute("{{path}}", variables, quoted=quoted) == "<a b c>"
    # What becomes part of a name is compared as it is.
    assert substitute("{{{{which}} me}}", variables, quoted=quoted) == "<d e>"
    assert substitute("{{missing {{name}}}}", variables, quoted=quoted) == "{{missing <b c>}}"


def test_values_that_bring_placeholders_in_are_followed_four_deep() -> None:
    chain: dict[str, JsonValue] = {"a": "{{b}}", "b": "{{c}}", "c": "{{d}}", "d": "{{e}}", "e": "never reached"}
    assert len(chain) > MAX_FOLLOWED
    assert substitute("{{a}}", chain) == "{{e}}"


def test_what_came_up_in_the_conversation_is_not_followed() -> None:
    variables = Variables(of_request={"secret": "4711"}, collected={"said": "{{secret}}", "part": "{{sec"})
    assert variables.fill("{{said}}") == "{{secret}}"
    assert variables.fill("{{part}}ret}}") == "{{secret}}"


def test_the_stronger_source_wins_and_null_is_no_value() -> None:
    sources = ("defaults", "of_tag", "of_contact", "of_request", "collected", "overrides")
    for strongest in range(len(sources)):
        values = [name if number <= strongest else None for number, name in enumerate(sources)]
        defaults, of_tag, of_contact, of_request, collected, overrides = ({"x": value} for value in values)
        variables = Variables(
            defaults=defaults,
            of_tag=of_tag,
            of_contact=of_contact,
            of_request=of_request,
            collected=collected,
            overrides=overrides,
        )
        assert variables.fill("{{x}}") == sources[strongest]


def test_system_variables_go_before_defaults_and_after_what_is_given() -> None:
    def system(name: str) -> str | None:
        return "system" if name == "direction" else None

    variables = Variables(defaults={"direction": "default", "other": "default"}, system=system)
    assert variables.fill("{{direction}} {{other}}") == "system default"
    given = Variables(system=system, of_request={"direction": "mine"})
    assert given.fill("{{direction}}") == "mine"


def test_an_empty_value_is_a_value() -> None:
    variables = Variables(defaults={"x": "default"}, of_request={"x": ""})
    assert variables.fill("[{{x}}]") == "[]"


def test_what_is_found_and_set_during_the_call_adds_up() -> None:
    variables = Variables(defaults={"a": "1", "gone": None}, of_request={"b": 2})
    variables = variables.with_collected({"a": "found", "c": "c"}).with_collected({"c": "again"})
    variables = variables.with_overrides({"b": "set"})
    assert variables.named() == {"a": "found", "b": "set", "c": "again"}


def test_a_bomb_of_values_is_bounded() -> None:
    width = 2_000
    bomb: dict[str, JsonValue] = {name: f"{{{{{below}}}}}" * width for name, below in zip("abc", "bcd", strict=True)}
    assert len(substitute("{{a}}", {**bomb, "d": "x" * 1_000})) < 3 * MAX_READ_CHARS
    # One that leads to nothing would only take time.
    assert len(substitute("{{a}}" * width, {**bomb, "d": ""})) < 3 * MAX_READ_CHARS


@pytest.mark.parametrize("depth", [MAX_NESTED, MAX_NESTED + 1, 20_000])
def test_a_tower_of_braces_is_bounded(depth: int) -> None:
    template = "{{" * depth + "name" + "}}" * depth
    assert substitute(template, {"name": "name"}) == ("name" if depth == MAX_NESTED else template)


TEMPLATES = st.text(alphabet="{} ab", max_size=60)
NAMES = st.text(alphabet="{} ab", max_size=3)


@given(TEMPLATES, st.dictionaries(NAMES, st.text(alphabet="{}ab", max_size=8)))
def test_any_template_is_harmless(template: str, variables: dict[str, str]) -> None:
    substitute(template, dict(variables))


@given(TEMPLATES)
def test_without_variables_a_text_stays_as_it_is(template: str) -> None:
    assert substitute(template, {}) == template


@given(TEMPLATES, st.text(alphabet="xyz", max_size=4))
def test_every_placeholder_that_is_known_is_replaced(template: str, value: str) -> None:
    text = fill(template, Variables(of_request=dict.fromkeys(("a", "b", "ab", "ba", "aa", "bb"), value)).value)
    assert all(f"{{{{{name}}}}}" not in text.replace(" ", "") for name in ("a", "b", "ab", "ba"))


@given(st.lists(st.tuples(st.text(alphabet="ab ", max_size=5), st.text(max_size=8)), max_size=8))
def test_values_stand_where_their_placeholders_stood(parts: list[tuple[str, str]]) -> None:
    template = "".join(f"{text}{{{{v{number}}}}}" for number, (text, _) in enumerate(parts))
    variables = Variables(collected={f"v{number}": value for number, (_, value) in enumerate(parts)})
    assert variables.fill(template) == "".join(text + value for text, value in parts)
