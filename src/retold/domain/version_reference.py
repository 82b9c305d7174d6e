"""How a request names a version of an agent: by number, by tag, as `latest` or as `latest_published`."""

import re
from typing import Annotated

from pydantic import AfterValidator

from retold.errors import InvalidRequest, NotFound

LATEST = "latest"
LATEST_PUBLISHED = "latest_published"
MAX_VERSION = 2**31 - 1
_MAX_SHOWN_CHARS = 100
_TAG = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def parse_version(reference: str | int | None) -> int | str:
    """The number, or a tag, `latest` (also for None) or `latest_published`. Raises InvalidRequest for anything else."""
    if reference is None:
        return LATEST
    if isinstance(reference, str) and not re.fullmatch("[0-9]{1,10}", reference):
        if _TAG.fullmatch(reference):
            return reference
    elif 0 <= int(reference) <= MAX_VERSION:
        return int(reference)
    raise InvalidRequest(
        f"version {str(reference)[:40]!r} is not known",
        field="version",
        fix="use a number, a tag, latest or latest_published",
    )


def _check_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag) or tag in {LATEST, LATEST_PUBLISHED}:
        raise ValueError(
            "must be 1 to 64 letters, digits, '_', '.' or '-', not only digits, and not latest or latest_published"
        )
    return tag


Tag = Annotated[str, AfterValidator(_check_tag)]
"""The name of a tag, such as `prod`."""


def unknown(
    kind: str, resource_id: str, *, field: str, version: object = None, lists: str, near: str | None = None
) -> NotFound:
    """What a foreign or unknown id is answered.

    `kind` such as agent; `lists` the route that shows which exist; `near` is almost what was asked for.
    """
    which = resource_id[:_MAX_SHOWN_CHARS]
    if version is not None:
        which += f" version {version}"
    return NotFound(
        f"Cannot find requested asset under given api key: no {kind} {which}",
        field=field,
        fix=f"{lists} shows which exist" + (f"; did you mean '{near}'?" if near else ""),
    )


def unknown_agent(agent_id: str, reference: int | str = LATEST, *, near: str | None = None) -> NotFound:
    """The agent, or this version of it, is not there."""
    version = None if reference == LATEST else reference
    return unknown("agent", agent_id, field="agent_id", version=version, lists="POST /v2/list-agents", near=near)
