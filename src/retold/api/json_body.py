"""Strict reading of a JSON body: what another parser could read differently, or a store could not keep, is refused."""

import json
import math
import re
from itertools import count
from typing import Any, Final

from retold.api.json_path import joined, path_of
from retold.errors import InvalidRequest

MAX_DEPTH = 32
MAX_VALUES = 50_000
"""In all lists and objects together: what a mebibyte can hold more of costs far more time and memory than it says."""
# Escapes have been taken out. Possessive, and without need of an end: no input is looked at twice.
_TEXT_OR_SIGNS: Final = re.compile(rb'"[^"]*+"?|[\[\]{},]++')
_UNPAIRED_OR_NUL = re.compile("[\ud800-\udfff\x00]")
_LARGEST_INTEGER = 2**63 - 1
_QUOTE: Final = ord('"')


def parse_json(body: bytes) -> Any:
    """The value of a body; raises InvalidRequest for anything malformed or ambiguous.

    Refused beside bad syntax: depth over 32, over 50,000 values, duplicated keys, NaN and infinities, numbers beyond
    64 bits, unpaired surrogates and NUL characters.
    """
    _check_shape(body)
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except _NumberRefused as error:
        text = error.text.encode()
        raise InvalidRequest(str(error), field=path_of(body, lambda token, _: token == text), fix=error.fix) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"the body is not UTF-8 at byte {error.start}", field="body", fix="send JSON encoded as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"the body is not valid JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}",
            field="body",
            fix="send a JSON object with Content-Type: application/json",
        ) from error
    if rb"\u" in body or b"\x00" in body:
        _check_texts(value, [])
    return value


class _NumberRefused(Exception):
    """The parser does not say where the number stands; it is looked up by its text."""

    def __init__(self, message: str, text: str, fix: str) -> None:
        super().__init__(message)
        self.text = text
        self.fix = fix


def _check_shape(body: bytes) -> None:
    """Bound depth and number of values before anything is made of them, reading the body once."""
    depth = values = 0
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in body else body
    for match in _TEXT_OR_SIGNS.finditer(plain):
        signs = match.group()
        if signs[0] == _QUOTE:
            continue
        for sign in signs:
            if sign in b"[{":
                depth += 1
            elif sign in b"]}":
                depth -= 1
            else:
                values += 1
            if depth > MAX_DEPTH or values > MAX_VALUES:
                raise _too_deep(body) if depth > MAX_DEPTH else _too_many(body)


def _too_deep(body: bytes) -> InvalidRequest:
    field = path_of(body, lambda token, depth: depth == MAX_DEPTH and token in {b"[", b"{"})
    return InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels", field=field, fix="flatten it")


def _too_many(body: bytes) -> InvalidRequest:
    commas = count(1)
    field = path_of(body, lambda token, _: token == b"," and next(commas) > MAX_VALUES)
    return InvalidRequest(f"the body has more than {MAX_VALUES} values", field=field, fix="send fewer")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise InvalidRequest(f"{_short(twice)} stands twice in one object", field=_short(twice), fix="send it once")
    return made


def _refuse_constant(name: str) -> float:
    raise _NumberRefused(f"{name} is not a JSON number", name, "send a finite number or null")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NumberRefused(f"the number {_short(text)} is too large", text, "send it as a string")
    return value


def _integer(text: str) -> int:
    # 19 digits are the most that 64 bits hold; int() of a very long text would be slow and then refused by Python.
    if len(text) > 20 or abs(value := int(text)) > _LARGEST_INTEGER:
        raise _NumberRefused(f"the number {_short(text)} is beyond 64 bits", text, "send it as a string")
    return value


def _check_texts(value: Any, steps: list[bytes | int]) -> None:
    match value:
        case str():
            if _UNPAIRED_OR_NUL.search(value):
                raise InvalidRequest(
                    "a text holds a NUL or half a surrogate pair",
                    field=joined(steps),
                    fix="send valid Unicode text",
                )
        case dict():
            for name, inner in value.items():
                here = [*steps, _short(name).encode()]
                _check_texts(name, here)
                _check_texts(inner, here)
        case list():
            for index, inner in enumerate(value):
                _check_texts(inner, [*steps, index])
        case _:
            pass


def _short(text: str) -> str:
    return text[:40].encode("ascii", "backslashreplace").decode()[:40]
