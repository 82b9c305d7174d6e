"""A thousand random walks of forty turns as calls take them: nobody is left in silence, nothing is unrecorded."""

import random

import pytest

from support.flow_garden import VALUES, VARIABLES, garden
from support.flow_rambles import Ways, ramble
from support.flow_walks import map_of

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

WALKS_PER_FLOW = 50
TURNS = 40


@pytest.mark.parametrize("seed", range(20))
async def test_random_walks_go_only_where_a_way_is_open(seed: int) -> None:
    sent = garden(seed)
    flow = map_of(sent)
    told = 0
    for number in range(WALKS_PER_FLOW):
        chance = random.Random(f"{seed}-{number}")  # noqa: S311 - a game, not a secret
        variables = {name: chance.choice(VALUES) for name in VARIABLES}
        walk = await ramble(flow, chance, variables, TURNS)
        Ways(sent, variables).check(walk)
        told += len(walk.told)
    assert told > WALKS_PER_FLOW
