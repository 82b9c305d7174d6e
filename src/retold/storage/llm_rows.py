"""Retell LLMs as rows, for work inside a transaction."""

from sqlalchemy import Connection

from retold.domain.llm import Llm
from retold.domain.version_reference import LATEST, unknown
from retold.errors import NotFound
from retold.ids import OrgId
from retold.storage.resource_tables import llm
from retold.storage.versions import VersionedRows

VERSIONS = VersionedRows(llm, "llm_id")


def save_llm(connection: Connection, org_id: OrgId, one: Llm) -> None:
    """Keep this version, in place of what was kept of it."""
    values = {
        "is_published": one.is_published,
        "last_modification_timestamp": one.last_modification_timestamp,
        "body": one.stored(),
    }
    VERSIONS.save(connection, org_id, one.llm_id, one.version, values)


def find_llm(connection: Connection, org_id: OrgId, llm_id: str, reference: int | str = LATEST) -> Llm | None:
    """One version."""
    body = VERSIONS.body(connection, org_id, llm_id, reference)
    return None if body is None else Llm.model_validate_json(body)


def unknown_llm(
    llm_id: str, version: int | str | None = None, *, field: str = "llm_id", near: str | None = None
) -> NotFound:
    """The Retell LLM, or this version of it, is not there."""
    shown = None if version == LATEST else version
    # To name the same once more, because only its version is not there, helps nobody.
    near = None if near == llm_id else near
    return unknown("Retell LLM", llm_id, field=field, version=shown, lists="GET /v2/list-retell-llms", near=near)
