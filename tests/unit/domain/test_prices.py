"""What calls cost."""

from typing import Any

import pytest

from retold.domain.call_parts import LlmTokenUsage
from retold.domain.prices import cost_of
from retold.settings import Price
from support.transcripts import ended_call

PRICES = {
    "my_tts": Price(per_second=0.01),
    "my_llm": Price(per_token=0.0002, per_request=0.05),
    "my_trunk": Price(per_second=0.02, call_type="phone_call"),
}
USAGE = LlmTokenUsage.of([100, 300])


@pytest.mark.parametrize(
    ("fields", "products", "combined", "unit_price"),
    [
        ({}, {"my_tts": 0.6, "my_llm": 0.0}, 0.6, 0.01),
        ({"llm_token_usage": USAGE}, {"my_tts": 0.6, "my_llm": 0.18}, 0.78, 0.01),
        ({"call_type": "phone_call"}, {"my_tts": 0.6, "my_llm": 0.0, "my_trunk": 1.2}, 1.8, 0.03),
        ({"duration_ms": 0}, {"my_tts": 0.0, "my_llm": 0.0}, 0.0, 0.01),
    ],
)
def test_a_call_costs_what_its_products_do(
    fields: dict[str, Any], products: dict[str, float], combined: float, unit_price: float
) -> None:
    call = ended_call(**fields)
    cost = cost_of(call, PRICES)
    assert cost is not None
    assert {one.product: one.cost for one in cost.product_costs} == products
    assert (cost.combined_cost, cost.total_duration_unit_price) == (combined, unit_price)
    assert cost.total_duration_seconds == (call.duration_ms or 0) / 1000


def test_a_product_without_a_price_per_second_shows_none() -> None:
    cost = cost_of(ended_call(), PRICES)
    assert cost is not None
    assert [one.unit_price for one in cost.product_costs] == [0.01, None]


def test_without_prices_and_without_a_connection_there_is_no_cost() -> None:
    assert cost_of(ended_call(), {}) is None
    assert cost_of(ended_call(duration_ms=None), PRICES) is None
