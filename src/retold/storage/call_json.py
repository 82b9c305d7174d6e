"""Calls as the JSON that is sent, cut out of the stored text: to parse a long call takes a tenth of a second."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from retold.domain.call import CallRecord

_BEFORE: Final = '{"call":'
_AFTER: Final = ',"org_id":'
"""What follows the call in a stored record; nothing after it is a text of a user, so the last one is it."""
_URL_FIELDS: Final = (
    "recording_url",
    "recording_multi_channel_url",
    "scrubbed_recording_url",
    "scrubbed_recording_multi_channel_url",
    "public_log_url",
    "knowledge_base_retrieved_contents_url",
)
_BLOCK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class CallJson:
    """A call as the API shows it."""

    text: str
    """A JSON object."""
    rest: dict[str, Any]
    """The fields of the record beside the call."""


def stored_json(record: CallRecord) -> str:
    """The text that is stored of a call."""
    return record.model_dump_json(exclude_none=True)


def call_json(stored: str, base_url: str) -> CallJson:
    """The call of a stored record, its files under this address. Raises ValueError for another text."""
    if not stored.startswith(_BEFORE):
        raise ValueError("not a stored call")
    end = stored.rindex(_AFTER)
    rest: dict[str, Any] = orjson.loads("{" + stored[end + 1 :])
    text = stored[len(_BEFORE) : end]
    # The token is in no text of a user: nobody outside has seen it before the call was over.
    folder = f"/files/{rest['files_token']}/"
    base = orjson.dumps(base_url).decode()[1:-1]
    for name in _URL_FIELDS:
        text = text.replace(f'"{name}":"{folder}', f'"{name}":"{base}{folder}', 1)
    return CallJson(text, rest)


def list_json(stored: Iterable[str], base_url: str) -> list[bytes]:
    """A JSON array of calls, in blocks of a few hundred kilobytes or one call."""
    blocks: list[bytes] = []
    waiting: list[str] = []
    size = 0
    start = "["
    for one in stored:
        text = call_json(one, base_url).text
        waiting += (start, text)
        start = ","
        size += len(text)
        if size >= _BLOCK_BYTES:
            blocks.append("".join(waiting).encode())
            waiting, size = [], 0
    blocks.append(("".join(waiting) + ("[]" if start == "[" else "]")).encode())
    return blocks
