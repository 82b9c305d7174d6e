"""Strict JSON: what is refused, and that nothing else is."""

import json
import time

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


MIB = 1024 * 1024
NASTY = {
    "unterminated text of escaped quotes": b'"' + b'\\"' * (MIB // 2 - 1),
    "object with such a text": b'{"a":"' + b'\\"' * (MIB // 2 - 10),
    "backslashes": b"\\" * MIB,
    "escapes in closed texts": b"[" + b'"\\"",' * (MIB // 5 - 1) + b"0]",
    "quotes": b'"' * MIB,
    "brackets": b"[" * MIB,
    "deep objects": b'{"a":' * (MIB // 5),
    "pairs of brackets": b"[" + b"[]," * (MIB // 3 - 1) + b"0]",
    "deep at the end": b"[" + b"[]," * (MIB // 3 - 40) + b"[" * 40,
    "one name many times": b"{" + b'"a":1,' * (MIB // 6 - 2) + b'"a":1}',
    "many names, the last twice": b"{" + b"".join(b'"%06d":1,' % n for n in range(MIB // 11 - 2)) + b'"000000":1}',
    "many names": b"{" + b"".join(b'"%06d":1,' % n for n in range(MIB // 11 - 2)) + b'"a":1}',
    "one long integer": b"1" * MIB,
    "one long fraction": b"1." + b"1" * (MIB - 2),
    "many long integers": b"[" + b"1234567890123456789," * (MIB // 20 - 1) + b"0]",
    "many small integers": b"[" + b"1," * (MIB // 2 - 2) + b"0]",
    "long integer at the end": b"[" + b"1," * (MIB // 2 - 30) + b"9" * 40 + b"]",
    "many halves of surrogate pairs": b"[" + b'"\\ud83d\\ude00",' * (MIB // 15 - 1) + b'"\\ud800"]',
    "white space": b" " * MIB,
}


def refused_field(body: bytes) -> str | None:
    """What the refusal names, empty if it names nothing; None when the body is read."""
    try:
        parse_json(body)
    except InvalidRequest as error:
        return error.field or ""
    return None


@pytest.mark.parametrize("body", NASTY.values(), ids=NASTY.keys())
def test_a_mebibyte_of_anything_is_answered_in_linear_time(body: bytes) -> None:
    assert len(body) <= MIB
    began = time.thread_time()
    assert refused_field(body) != ""
    # 0.4 s at most on a quiet machine; what was quadratic took hours. Machines are shared: the limit tells those apart.
    assert time.thread_time() - began < 15


@given(st.lists(st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b"}", b":", b",", b"1", b"NaN", b" ", b"a"])))
def test_any_row_of_json_signs_is_read_or_refused_with_a_field(signs: list[bytes]) -> None:
    assert refused_field(b"".join(signs)) != ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(b'{"a": 1, "b": [0, {"c": ' + b"[" * 40, "b[1].c" + "[0]" * 29, id="too deep"),
        pytest.param(b'{"x": "]", "a": {"b": [1, NaN]}}', "a.b[1]", id="NaN"),
        pytest.param(b'{"a": {"b": 1}, "c": 9223372036854775808}', "c", id="beyond 64 bits"),
        pytest.param(b'{"a": [{}, {"\\u00e9\\"": 1e999}]}', 'a[1].\\u00e9\\"', id="too large"),
        pytest.param(b'{"a": [1, {"b": "\\ud800"}]}', "a[1].b", id="half a surrogate pair"),
        pytest.param(b'{"a": 1, "a": 2}', "a", id="twice"),
        pytest.param(b'{"a": [' + b"1," * 60_000 + b"1]}", "a[50000]", id="too many values"),
        pytest.param(b"[1", "body", id="cut off"),
        pytest.param(b'"\xff"', "body", id="not UTF-8"),
    ],
)
def test_a_refused_body_is_refused_by_the_name_of_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json(body)
    assert refused.value.field == field
