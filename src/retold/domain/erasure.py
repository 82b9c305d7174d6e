"""Erasing what is kept of people: whose, why, and the proof that is kept of it."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from retold.domain.agent_options import RequestModel

_NO_NUL = r"^[^\x00]*$"
"""PostgreSQL has no such character, so no call has it."""
_NOT_DIALLED = re.compile(r"[\s().-]")


class ErasureKind(StrEnum):
    """Why something was erased."""

    CALL = "call"
    """delete-call was asked."""
    PERSON = "person"
    """A person's calls were asked to be erased."""
    RETENTION = "retention"
    """The days of `data_storage_retention_days` were over."""


class Person(RequestModel):
    """Whose calls: those with this number at either end, or those whose metadata has this value under this key."""

    phone_number: Annotated[str, Field(min_length=2, max_length=100, pattern=_NO_NUL)] | None = None
    metadata_key: Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)] | None = None
    metadata_value: Annotated[str, Field(max_length=1_000, pattern=_NO_NUL)] | int | float | bool | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        by_metadata = self.metadata_key is not None and self.metadata_value is not None
        is_half = (self.metadata_key is None) != (self.metadata_value is None)
        if is_half or (self.phone_number is not None) == by_metadata:
            raise ValueError("name a person by phone_number, or by metadata_key and metadata_value")
        return self

    @property
    def numbers(self) -> tuple[str, ...]:
        """The number as it was given, and as it would be dialled."""
        if self.phone_number is None:
            return ()
        return tuple(dict.fromkeys((self.phone_number, _NOT_DIALLED.sub("", self.phone_number))))

    @property
    def named_by(self) -> str:
        """By what, without saying whom."""
        return "phone_number" if self.phone_number is not None else f"metadata.{self.metadata_key}"

    @property
    def text(self) -> bytes:
        """What a hash of the person is made of."""
        return f"{self.named_by}={self.numbers[-1] if self.numbers else self.metadata_value}".encode()


class Erasure(BaseModel):
    """The proof of one erasure; of what was erased it holds nothing, and the ids of the calls only as a hash."""

    model_config = ConfigDict(frozen=True)

    erasure_id: str
    kind: ErasureKind
    begun_timestamp: int
    finished_timestamp: int | None = None
    """None while it goes on, and of one that a crash cut off: asking again erases the rest."""
    person: dict[str, str] | None = None
    """`named_by`, and `hash`: HMAC-SHA256 under a key of this server, so that it can be compared but not guessed."""
    erased: dict[str, int] = {}
    """Calls, rows by table, files and their bytes."""
    call_ids_sha256: str | None = None
    """Over the ids of the erased calls, sorted, a line each."""
    left: dict[str, int] = {}
    """What was found of them afterwards, by place: all zero, or the erasure is not complete."""

    @property
    def is_complete(self) -> bool:
        """Whether it came to its end and nothing was left."""
        return self.finished_timestamp is not None and not any(self.left.values())

    def wire(self) -> dict[str, Any]:
        """The proof as the API shows it."""
        return {**self.model_dump(mode="json", exclude_none=True), "is_complete": self.is_complete}


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sums of two counts."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}
