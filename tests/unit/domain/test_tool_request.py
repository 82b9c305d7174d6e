"""Where a custom tool's request goes: variables stay inside the part of the address they stand in."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain.tool_request import web_address
from retold.domain.variables import Variables


def address(template: str, query: dict[str, str] | None = None, **values: str) -> str:
    return web_address(template, query or {}, Variables(of_request=values))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("https://a.example/orders/{{id}}", "https://a.example/orders/..%2Fadmin%3Fx%3D1%23y"),
        ("https://a.example/?q={{id}}", "https://a.example/?q=..%2Fadmin%3Fx%3D1%23y"),
        ("https://{{host}}/x", "https://shop.example:8443/x"),
        ("https://{{id}}/x", "https://../admin%3Fx%3D1%23y/x"),
        ("{{base}}/orders", "https://shop.example/api?key=1/orders"),
        ("{{base}}", "https://shop.example/api?key=1"),
        ("https://a.example/x#top", "https://a.example/x"),
        ("https://a.example/{{unknown}}", "https://a.example/{{unknown}}"),
    ],
)
def test_a_value_stays_where_it_stands(template: str, expected: str) -> None:
    values = {"id": "../admin?x=1#y", "host": "shop.example:8443", "base": "https://shop.example/api?key=1#part"}
    assert address(template, None, **values) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("https://a.example/x", "https://a.example/x?a%20b=1%262&c="),
        ("https://a.example/x?y=1", "https://a.example/x?y=1&a%20b=1%262&c="),
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1&a%20b=1%262&c="),
        ("https://a.example", "https://a.example?a%20b=1%262&c="),
    ],
)
def test_the_query_is_added_to_what_is_there(template: str, expected: str) -> None:
    assert address(template, {"a b": "1&2", "c": ""}) == expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_value_leaves_its_place(in_path: str, in_query: str) -> None:
    url = address("https://a.example/p/{{x}}/q?r={{y}}&s=1", {"t": in_path}, x=in_path, y=in_query)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path.count("/")) == ("https", "a.example", 3)
    assert parse_qsl(parts.query, keep_blank_values=True) == [("r", in_query), ("s", "1"), ("t", in_path)]
