"""Strict reading of a JSON body: what another parser could read differently, or a store could not keep, is refused."""

import json
import math
import re
from typing import Any

from retold.errors import InvalidRequest

MAX_DEPTH = 32
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")
_UNPAIRED_OR_NUL = re.compile("[\ud800-\udfff\x00]")
_LARGEST_INTEGER = 2**63 - 1


def parse_json(body: bytes) -> Any:
    """The value of a body; raises InvalidRequest for anything malformed or ambiguous.

    Refused beside bad syntax: depth over 32, duplicated keys, NaN and infinities, numbers beyond 64 bits,
    unpaired surrogates and NUL characters.
    """
    _check_depth(body)
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"the body is not UTF-8 at byte {error.start}", fix="send JSON encoded as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"the body is not valid JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}",
            fix="send a JSON object with Content-Type: application/json",
        ) from error
    if rb"\u" in body or b"\x00" in body:
        _check_texts(value)
    return value


def _check_depth(body: bytes) -> None:
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels", fix="flatten it")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"{_short(twice)} stands twice in one object", field=_short(twice), fix="send it once")
    return made


def _refuse_constant(name: str) -> float:
    raise InvalidRequest(f"{name} is not a JSON number", fix="send a finite number or null")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidRequest(f"the number {_short(text)} is too large", fix="send it as a string")
    return value


def _integer(text: str) -> int:
    # 19 digits are the most that 64 bits hold; int() of a very long text would be slow and then refused by Python.
    if len(text) > 20 or abs(value := int(text)) > _LARGEST_INTEGER:
        raise InvalidRequest(f"the number {_short(text)} is beyond 64 bits", fix="send it as a string")
    return value


def _check_texts(value: Any) -> None:
    match value:
        case str():
            if _UNPAIRED_OR_NUL.search(value):
                raise InvalidRequest("a text holds a NUL or half a surrogate pair", fix="send valid Unicode text")
        case dict():
            for name, inner in value.items():
                _check_texts(name)
                _check_texts(inner)
        case list():
            for inner in value:
                _check_texts(inner)
        case _:
            pass


def _short(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:40]
