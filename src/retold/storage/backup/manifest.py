"""What a backup says about itself, so that whoever finds it knows which program can restore it."""

from dataclasses import asdict, dataclass
from typing import Final, Literal

import msgspec
import orjson

from retold.errors import BackupRefused

FORM: Final = 1
"""Of backups; another form of the file gets another number."""
MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The file `retold-backup.json`."""

    form: int = FORM
    made_by: str
    """The version of Retold."""
    made_ms: int
    """The moment that the rows are of, in milliseconds since the epoch."""
    revision: str
    """Of the database's schema."""
    database: Literal["sqlite", "postgresql"]
    """Where the rows were; in the backup they are always in an SQLite database."""
    has_master_key: bool

    def text(self) -> bytes:
        """As JSON for people."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)


def read_manifest(text: bytes) -> Manifest:
    """What a backup says. Raises BackupRefused for one that another program has made."""
    try:
        read = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupRefused(f"the backup does not say what it is ({error}); Retold has not made it") from error
    if read.form != FORM:
        raise BackupRefused(f"the backup was made by Retold {read.made_by}, which is newer; restore it with that")
    return read
