"""The audit log: who did what and when, chained by hashes so that an entry that was altered shows.

Each entry's hash is over the one before it and over its own content. Values that are secret by nature are never in it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import orjson
from pydantic import JsonValue

from retold.ids import OrgId

FIRST_HASH: Final = "0" * 64
"""What stands for the hash before the first entry."""
MAX_CHANGES: Final = 200
"""Values of one change that are named; the rest is counted."""
MAX_TEXT_CHARS: Final = 200
"""A longer text, such as a prompt, is shown by its beginning and its hash."""
MASKED: Final = "[secret]"
"""What stands for a secret; and, as the kind of a value, for whatever lies in a map of secrets."""
_SECRET_NAMES: Final = re.compile(
    r"authori[sz]ation|api[-_]?key$|password|passwd|secret|token$|credential|cookie|signature", re.IGNORECASE
)
_SECRET_MAPS: Final = frozenset({"headers", "custom_sip_headers"})
"""Whatever stands in these may be a key."""
_NEVER_TOLD: Final = frozenset({"last_modification_timestamp", "user_modified_timestamp"})
_ADDRESS: Final = re.compile(r"(?:https?|wss?)://", re.IGNORECASE)


class Act(StrEnum):
    """What was done with a thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ROLL = "roll"
    REVOKE = "revoke"
    ERASE = "erase"
    READ = "read"
    ROTATE = "rotate"


class Actor(NamedTuple):
    """Who did it."""

    kind: Literal["api_key", "command", "server", "address"]
    """A key of the API; a command on the server's machine; the server by itself; whoever had an address of a file."""
    name: str | None = None
    """The key's id, or the user of the machine."""
    ip: str | None = None
    """Where the request came from, as far as the server sees: a proxy hides it."""


SERVER: Final = Actor("server")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of an organisation's log."""

    org_id: OrgId
    sequence: int
    """From 1 on, without a gap."""
    at_ms: int
    actor: Actor
    act: str
    object_type: str
    object_id: str
    changes: str
    """A JSON object: path of a value -> [before, after]; null where there was or is none."""
    previous_hash: str
    hash: str

    def wire(self) -> dict[str, JsonValue]:
        """As it is sent."""
        actor = {name: value for name, value in self.actor._asdict().items() if value is not None}
        return {
            "sequence": self.sequence,
            "timestamp": self.at_ms,
            "actor": actor,
            "act": self.act,
            "object_type": self.object_type,
            "object_id": self.object_id,
            "changes": orjson.loads(self.changes),
            "previous_hash": self.previous_hash,
            "hash": self.hash,
        }

    def computed_hash(self) -> str:
        """What its hash must be: that of its content and of the hash before it."""
        content = [self.org_id, self.sequence, self.at_ms, list(self.actor)]
        content += [self.act, self.object_type, self.object_id, self.changes, self.previous_hash]
        return hashlib.sha256(orjson.dumps(content)).hexdigest()


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """What became of each value, as JSON: `{"tools[0].name": ["book", "book_table"]}`; secrets only as that."""
    told: dict[str, list[Any]] = {}
    left_out = 0
    for path, old, new in _differences("", "", before, after):
        if len(told) < MAX_CHANGES:
            told[path] = [old, new]
        else:
            left_out += 1
    if left_out:
        told["..."] = [None, f"{left_out} more"]
    return orjson.dumps(told).decode()


def first_fault(entries: Sequence[AuditEntry], previous_hash: str, sequence: int) -> int | None:
    """The number of the first entry that does not follow from those before it, None when all do.

    `previous_hash` and `sequence` are those of the entry before the first.
    """
    for entry in entries:
        sequence += 1
        follows = (entry.sequence, entry.previous_hash) == (sequence, previous_hash)
        if not follows or entry.hash != entry.computed_hash():
            return sequence
        previous_hash = entry.hash
    return None


def _differences(path: str, name: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Path, value before and value after of all that is not the same; `name` says what kind of value it is."""
    if before == after or name in _NEVER_TOLD:
        return
    if isinstance(before, Mapping | None) and isinstance(after, Mapping | None):
        keys = dict.fromkeys([*(before or {}), *(after or {})])
        for key in keys:
            below = f"{path}.{key}" if path else str(key)
            kind = MASKED if name in _SECRET_MAPS or name == MASKED else str(key)
            yield from _differences(below, kind, (before or {}).get(key), (after or {}).get(key))
        return
    if isinstance(before, list | None) and isinstance(after, list | None):
        old, new = before or [], after or []
        for n in range(max(len(old), len(new))):
            values = [some[n] if n < len(some) else None for some in (old, new)]
            yield from _differences(f"{path}[{n}]", name, *values)
        return
    yield path, _shown(name, before), _shown(name, after)


def _shown(name: str, value: Any) -> Any:
    """A value as the log may hold it."""
    if value is None:
        return None
    if name == MASKED or _SECRET_NAMES.search(name):
        return MASKED
    if isinstance(value, Mapping | list):
        # It took the place of something of another kind.
        return orjson.loads(changes(None, {"": value}))
    if not isinstance(value, str):
        return value
    if _ADDRESS.match(value):
        value = _without_secrets(value)
    if len(value) <= MAX_TEXT_CHARS:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()
    return {"begins": value[:MAX_TEXT_CHARS], "chars": len(value), "sha256": digest}


def _without_secrets(address: str) -> str:
    """An address without its password and the values of its query, in which keys are sent."""
    try:
        parts = urlsplit(address)
        query = "&".join(f"{quote(key)}={MASKED}" for key, _ in parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        # One that cannot be read may hold anything.
        return MASKED
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{MASKED}@{host}" if user or at else host, query=query, fragment=""))
