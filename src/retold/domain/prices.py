"""What a call costs, by the prices of the settings: pure arithmetic, in cents."""

from collections.abc import Mapping
from typing import Final

from retold.domain.call import Call
from retold.domain.call_parts import CallCost, ProductCost
from retold.settings import Price

_DECIMALS: Final = 6
"""A token costs a ten-thousandth of a cent."""


def cost_of(call: Call, prices: Mapping[str, Price]) -> CallCost | None:
    """The cost of a call that is over; None without prices, and for a call that never connected."""
    if not prices or call.duration_ms is None:
        return None
    seconds = call.duration_ms / 1000
    charged = {name: price for name, price in prices.items() if price.call_type in {None, call.call_type}}
    products = [_product(name, price, call, seconds) for name, price in charged.items()]
    return CallCost(
        combined_cost=round(sum(product.cost for product in products), _DECIMALS),
        product_costs=products,
        total_duration_seconds=seconds,
        total_duration_unit_price=round(sum(price.per_second for price in charged.values()), _DECIMALS),
    )


def _product(name: str, price: Price, call: Call, seconds: float) -> ProductCost:
    usage = call.llm_token_usage
    tokens, requests = (sum(usage.values), usage.num_requests) if usage else (0, 0)
    cost = price.per_second * seconds + price.per_token * tokens + price.per_request * requests
    return ProductCost(product=name, cost=round(cost, _DECIMALS), unit_price=price.per_second or None)
