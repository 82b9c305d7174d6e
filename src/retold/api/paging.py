"""Lists of the second generation: paging in the query, an envelope in the answer."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query

from retold.domain.page import DEFAULT_LIMIT, MAX_LIMIT, Page, PageQuery, parse_place
from retold.domain.version_reference import MAX_VERSION

T = TypeVar("T")


async def page_query(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    sort_order: Literal["ascending", "descending"] = "descending",
    pagination_key: str | None = None,
) -> PageQuery:
    """The page that the query asks for. Raises InvalidRequest."""
    after = None if pagination_key is None else parse_place(pagination_key)
    return PageQuery(limit=limit, is_descending=sort_order == "descending", after=after)


Paging = Annotated[PageQuery, Depends(page_query)]
"""Parameter type of a route that lists in pages."""


QueryVersion = Annotated[int, Query(ge=0, le=MAX_VERSION)]
"""Parameter type of the number of a version."""


def envelope(page: Page[T], make: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """The page as it is sent."""
    shape = {"items": [make(item) for item in page.items], "has_more": page.pagination_key is not None}
    return shape if page.pagination_key is None else shape | {"pagination_key": page.pagination_key}
