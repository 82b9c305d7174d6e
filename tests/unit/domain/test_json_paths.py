"""The paths by which a tool's answer becomes variables."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from retold.domain.json_paths import value_at, values_at

ORDER: JsonValue = {
    "order": {"id": 7, "lines": [{"name": "pizza", "price": 9.5}, {"name": "tea", "price": 2}], "note": None},
    "two words": {"a.b": "dotted"},
    "0": "a name of a digit",
    "grid": [[1, 2], [3, 4]],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("order.id", 7),
        ("$.order.id", 7),
        (" order.id ", 7),
        ("order.lines[0].name", "pizza"),
        ("order.lines.1.name", "tea"),
        ("order.lines[-1].price", 2),
        ("order.lines[0]", {"name": "pizza", "price": 9.5}),
        ("$['order']['id']", 7),
        ('$["two words"]["a.b"]', "dotted"),
        ("two words['a.b']", "dotted"),
        ("0", "a name of a digit"),
        ("grid[1][0]", 3),
        ("grid.[1].[0]", 3),
        ("$", ORDER),
        ("", ORDER),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: JsonValue) -> None:
    assert value_at(ORDER, path) == value


@pytest.mark.parametrize(
    "path",
    [
        "nobody",
        "order.nobody.id",
        "order.id.deeper",
        "order.lines[2]",
        "order.lines[-3]",
        "order.lines.first",
        "order.lines[",
        "order.lines[]",
        "order]",
        "order..id",
        "order.",
        ".",
        "$$",
        "order.lines[?(@.price>2)]",
        "order.lines.\N{SUPERSCRIPT TWO}",
        "order.__class__",
        "order.lines[99999999999999999999]",
    ],
)
def test_where_nothing_stands_there_is_nothing(path: str) -> None:
    assert value_at(ORDER, path) is None


def test_variables_that_have_no_value_are_left_out() -> None:
    paths = {"id": "order.id", "note": "order.note", "none": "order.none", "all": "order.lines[1]"}
    assert values_at(ORDER, paths) == {"id": 7, "all": {"name": "tea", "price": 2}}


@given(st.text())
def test_any_text_is_a_harmless_path(path: str) -> None:
    value_at(ORDER, path)


@given(st.lists(st.text().filter(lambda name: '"' not in name), max_size=5), st.integers())
def test_a_quoted_path_finds_what_was_put_there(names: list[str], value: int) -> None:
    document: JsonValue = value
    for name in reversed(names):
        document = {name: document}
    assert value_at(document, "$" + "".join(f'["{name}"]' for name in names)) == value


@given(st.lists(st.integers(0, 3), max_size=5))
def test_places_are_found_in_nested_lists(places: list[int]) -> None:
    document: JsonValue = "here"
    for place in reversed(places):
        document = [None] * place + [document]
    path = "".join(f"[{place}]" for place in places)
    assert value_at(json.loads(json.dumps(document)), path) == "here"
