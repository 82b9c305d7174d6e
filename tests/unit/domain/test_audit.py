"""The audit log: what it tells of a change, what it never tells, and how an altered entry shows."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from retold.domain.audit import (
    FIRST_HASH,
    MASKED,
    MAX_CHANGES,
    MAX_TEXT_CHARS,
    Act,
    Actor,
    AuditEntry,
    changes,
    first_fault,
)
from retold.ids import OrgId


def told(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    return json.loads(changes(before, after))


def test_only_what_changed_is_told() -> None:
    before = {"name": "Ann", "speed": 1.0, "tools": [{"name": "book"}], "tags": ["a", "b"]}
    after = {"name": "Ann", "speed": 1.2, "tools": [{"name": "book_table"}, {"name": "end"}], "tags": ["a"]}
    assert told(before, after) == {
        "speed": [1.0, 1.2],
        "tools[0].name": ["book", "book_table"],
        "tools[1].name": [None, "end"],
        "tags[1]": ["b", None],
    }


def test_what_is_made_or_taken_away_is_told_value_by_value() -> None:
    assert told(None, {"a": 1, "b": {"c": [True]}}) == {"a": [None, 1], "b.c[0]": [None, True]}
    assert told({"a": 1}, None) == {"a": [1, None]}
    assert told(None, None) == {}


def test_the_time_of_the_change_is_no_change() -> None:
    assert told({"last_modification_timestamp": 1}, {"last_modification_timestamp": 2}) == {}


def test_a_value_of_another_kind_is_told_whole() -> None:
    assert told({"a": "x"}, {"a": {"b": 1}}) == {"a": ["x", {"b": [None, 1]}]}


@pytest.mark.parametrize(
    "value",
    [
        {"api_key": "canary"},
        {"password": "canary"},
        {"auth": {"client_secret": "canary"}},
        {"tools": [{"headers": {"X-Any": "canary"}}]},
        {"headers": {"deep": {"er": ["canary"]}}},
        {"access_token": "canary"},
        {"url": "https://user:canary@host.example/x"},
        {"url": "wss://host.example/x?key=canary&other=canary"},
        {"url": "https://host.example/x#canary"},
        {"url": "https://[canary/x?canary"},
    ],
)
def test_no_secret_is_told(value: dict[str, Any]) -> None:
    assert "canary" not in changes(value, None)
    assert "canary" not in changes(None, value)
    assert "canary" not in changes(value, {"url": "https://host.example/y"})


def test_that_a_secret_changed_is_told() -> None:
    assert told({"api_key": "one"}, {"api_key": "two"}) == {"api_key": [MASKED, MASKED]}
    assert told({"api_key": None}, {"api_key": "two"}) == {"api_key": [None, MASKED]}


def test_what_is_no_secret_is_told() -> None:
    value = {"api_key_name": "shop", "max_tokens": 5, "url": "https://host.example/x?a=1"}
    assert told(None, value) == {
        "api_key_name": [None, "shop"],
        "max_tokens": [None, 5],
        "url": [None, f"https://host.example/x?a={MASKED}"],
    }


def test_a_long_text_is_told_by_its_beginning() -> None:
    shown = told({"prompt": "x" * 500}, {"prompt": "y" * MAX_TEXT_CHARS})["prompt"]
    assert shown[0] == {"begins": "x" * MAX_TEXT_CHARS, "chars": 500, "sha256": shown[0]["sha256"]}
    assert shown[1] == "y" * MAX_TEXT_CHARS


def test_a_change_of_very_many_values_is_bounded() -> None:
    shown = told(None, {f"n{n}": n for n in range(MAX_CHANGES + 3)})
    assert len(shown) == MAX_CHANGES + 1
    assert shown["..."] == [None, "3 more"]


def chain(length: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    previous = FIRST_HASH
    for sequence in range(1, length + 1):
        bare = AuditEntry(
            org_id=OrgId("org_a"),
            sequence=sequence,
            at_ms=1_000 + sequence,
            actor=Actor("api_key", "key_1"),
            act=Act.UPDATE,
            object_type="agent",
            object_id="agent_1",
            changes='{"a":[1,2]}',
            previous_hash=previous,
            hash="",
        )
        entries.append(replace(bare, hash=bare.computed_hash()))
        previous = entries[-1].hash
    return entries


def test_entries_that_follow_from_each_other_have_no_fault() -> None:
    entries = chain(4)
    assert first_fault(entries, FIRST_HASH, 0) is None
    assert first_fault(entries[2:], entries[1].hash, 2) is None
    assert first_fault([], FIRST_HASH, 0) is None


@pytest.mark.parametrize(
    "alteration",
    [
        {"org_id": "org_b"},
        {"at_ms": 1},
        {"actor": Actor("api_key", "key_2")},
        {"act": "delete"},
        {"object_type": "llm"},
        {"object_id": "agent_2"},
        {"changes": "{}"},
        {"previous_hash": "1" * 64},
        {"hash": "1" * 64},
        {"sequence": 9},
    ],
)
def test_an_altered_entry_is_found(alteration: dict[str, Any]) -> None:
    entries = chain(4)
    entries[1] = replace(entries[1], **alteration)
    assert first_fault(entries, FIRST_HASH, 0) == 2


def test_an_entry_altered_together_with_its_hash_is_found_by_the_next() -> None:
    entries = chain(4)
    altered = replace(entries[1], object_id="agent_2")
    entries[1] = replace(altered, hash=altered.computed_hash())
    assert first_fault(entries, FIRST_HASH, 0) == 3


def test_an_entry_that_was_taken_away_is_found() -> None:
    entries = chain(4)
    assert first_fault([*entries[:1], *entries[2:]], FIRST_HASH, 0) == 2
    assert first_fault(entries[1:], FIRST_HASH, 0) == 1


def test_an_entry_is_shown_without_what_it_does_not_know() -> None:
    shown = chain(1)[0].wire()
    assert shown["actor"] == {"kind": "api_key", "name": "key_1"}
    assert shown["changes"] == {"a": [1, 2]}
