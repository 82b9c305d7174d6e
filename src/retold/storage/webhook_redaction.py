"""What is taken out of a call's webhook events when its storage setting is tightened."""

import zlib
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select, update

from retold.domain.call import SENSITIVE_FIELDS
from retold.storage.packed import packed
from retold.storage.webhook_tables import webhook_event

_LEVEL: Final = 1


def redact_events(connection: Connection, call_id: str) -> None:
    """Leave in the events of a call, sent or not, only what may be stored of any call."""
    columns = webhook_event.c
    for row_id, call in connection.execute(
        select(columns.row_id, columns.call).where(columns.call_id == call_id)
    ).all():
        shown: dict[str, Any] = orjson.loads(zlib.decompress(call))
        left = {name: value for name, value in shown.items() if name not in SENSITIVE_FIELDS}
        if left != shown:
            values = {"call": packed(orjson.dumps(left), _LEVEL), "is_whole": False}
            connection.execute(update(webhook_event).where(columns.row_id == row_id).values(values))
