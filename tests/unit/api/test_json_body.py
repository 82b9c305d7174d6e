"""Strict JSON: what is refused, and that nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.api.json_body import MAX_DEPTH, parse_json
from retold.errors import InvalidRequest

LARGEST = 2**63 - 1
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(VALUES, st.booleans())
def test_every_ordinary_value_is_read_as_written(value: object, is_ascii: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=is_ascii).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = parse_json(body)
    except InvalidRequest:
        return
    assert json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"{", "not valid JSON", id="cut off"),
        pytest.param(b"{'a': 1}", "line 1, column 2", id="wrong quotes"),
        pytest.param(b"\xff{}", "not UTF-8", id="not text"),
        pytest.param(b'{"a": 1, "a": 2}', "a stands twice", id="duplicated key"),
        pytest.param(b'{"a": NaN}', "NaN is not", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "Infinity is not", id="infinity"),
        pytest.param(b'{"a": 1e999}', "too large", id="float beyond range"),
        pytest.param(b'{"a": 9223372036854775808}', "beyond 64 bits", id="integer beyond 64 bits"),
        pytest.param(b'{"a": ' + b"9" * 100_000 + b"}", "beyond 64 bits", id="endless integer"),
        pytest.param(b"[" * 33 + b"]" * 33, "deeper than 32", id="33 levels"),
        pytest.param(b"[" * 500_000, "deeper than 32", id="half a million levels"),
        pytest.param(b'{"a": "\\ud800"}', "surrogate", id="half a surrogate pair"),
        pytest.param(b'{"a": ["\\u0000"]}', "NUL", id="NUL"),
    ],
)
def test_malformed_or_ambiguous_json_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        parse_json(body)


def test_the_deepest_allowed_body_is_read() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_brackets_inside_texts_do_not_count_as_depth() -> None:
    text = '\\"[{' * 100
    assert parse_json(json.dumps({"a": text}).encode()) == {"a": text}
