"""Calls as the JSON that is sent, put together from the stored texts: to parse a long call takes a tenth of a second.

What a transcript holds is stored apart from the rest, compressed: it is nine tenths of a call, and lists do without.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from retold.domain.call import CallRecord
from retold.storage.file_links import FileLinks
from retold.storage.packed import packed

TRANSCRIPT_FIELDS: Final = frozenset(
    {
        "transcript",
        "transcript_object",
        "transcript_with_tool_calls",
        "scrubbed_transcript_with_tool_calls",
        "pre_session_transcript_with_tool_calls",
        "post_session_transcript_with_tool_calls",
        "scrubbed_pre_session_transcript_with_tool_calls",
        "scrubbed_post_session_transcript_with_tool_calls",
    }
)
"""What the items of list-calls v3 omit."""
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
_USUAL_BYTES: Final = 64 * 1024
"""Room for the transcripts of most calls, so that it need not grow while they unfold."""
_LEVEL: Final = 1
"""A seventh of the size in half a millisecond; higher levels take thrice as long for little."""


class StoredCall(NamedTuple):
    """The two texts of a call."""

    body: str
    """The record as JSON, without the transcripts of its call."""
    transcripts: bytes | None
    """These, as one compressed JSON object; None when there are none."""


@dataclass(frozen=True, slots=True)
class CallJson:
    """A call as the API shows it."""

    text: bytes
    """A JSON object."""
    rest: dict[str, Any]
    """The fields of the record beside the call."""


def stored_call(record: CallRecord) -> StoredCall:
    """What is stored of a call."""
    body = record.model_dump_json(exclude_none=True, exclude={"call": set(TRANSCRIPT_FIELDS)})
    transcripts = record.call.model_dump_json(exclude_none=True, include=set(TRANSCRIPT_FIELDS))
    return StoredCall(body, None if transcripts == "{}" else packed(transcripts.encode(), _LEVEL))


def record_of(stored: StoredCall) -> CallRecord:
    """The call that was stored."""
    call, after = _parts(stored.body)
    return CallRecord.model_validate_json(b"".join((_BEFORE.encode(), _whole(call, stored), after.encode())))


def call_json(stored: StoredCall, links: FileLinks) -> CallJson:
    """The call of a stored record, its files as `links` shows them. Raises ValueError for another text."""
    text, after = _parts(stored.body)
    rest: dict[str, Any] = orjson.loads("{" + after[1:])
    return CallJson(_whole(with_links(text, rest, links), stored), rest)


def with_links(text: str, rest: Mapping[str, Any], links: FileLinks) -> str:
    """The JSON of a call with its files as `links` shows them; `rest` is the record beside its call."""
    # The token is in no text of a user: nobody outside has seen it before the call was over.
    folder = f"/files/{rest['files_token']}/"
    if folder in text:
        base = orjson.dumps(links.base_url).decode()[1:-1]
        for name in _URL_FIELDS:
            found = text.find(f'"{name}":"{folder}')
            if found >= 0:
                start = found + len(name) + len('"":"')
                end = text.index('"', start)
                path = text[start:end]
                text = f"{text[:start]}{base}{path}{links.query(path, rest)}{text[end:]}"
    return text


def text_of(call: CallJson) -> bytes:
    """The call as it is shown since v2."""
    return call.text


def list_json(
    stored: Iterable[StoredCall], links: FileLinks, shown: Callable[[CallJson], bytes] = text_of
) -> list[bytes]:
    """A JSON array of calls, in blocks of a few hundred kilobytes or one call; `shown` gives the text of each."""
    blocks: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    start = b"["
    for one in stored:
        text = shown(call_json(one, links))
        waiting += (start, text)
        start = b","
        size += len(text)
        if size >= _BLOCK_BYTES:
            blocks.append(b"".join(waiting))
            waiting, size = [], 0
    blocks.append(b"".join(waiting) + (b"[]" if start == b"[" else b"]"))
    return blocks


def _parts(body: str) -> tuple[str, str]:
    """The text of a call without its transcripts, and all that follows it in the record."""
    if not body.startswith(_BEFORE):
        raise ValueError("not a stored call")
    end = body.rindex(_AFTER)
    return body[len(_BEFORE) : end], body[end:]


def _whole(call: str, stored: StoredCall) -> bytes:
    """The text of a call with its transcripts."""
    if stored.transcripts is None:
        return call.encode()
    return b"".join((call[:-1].encode(), b",", zlib.decompress(stored.transcripts, bufsize=_USUAL_BYTES)[1:]))
