"""A thousand random walks through large flows: no dead end, no wrong edge, every transition told."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.domain import flow_steps as s
from retold.domain.flow_steps import Awaits
from retold.domain.flow_walk import MAX_PASSED
from support.flow_garden import SIZE, VALUES, VARIABLES, garden
from support.flow_oracle import Oracle
from support.flow_walks import CUT_OFF, SAID, SILENT, SPOKE, Walker, map_of

WALKS_PER_FLOW = 50
EVENTS_PER_WALK = 40


@pytest.mark.parametrize("seed", range(20))
def test_random_walks_go_where_an_oracle_says(seed: int) -> None:
    sent = garden(seed)
    flow = map_of(sent)
    told: list[s.Entered] = []
    for number in range(WALKS_PER_FLOW):
        chance = random.Random(f"{seed}-{number}")  # noqa: S311 - a game, not a secret
        start = (f"n{number % SIZE}",)
        walk, oracle = Walker(flow), Oracle(sent, {}, start)
        wants = walk.wants(s.Began(start))
        oracle.check(wants)
        for _ in range(EVENTS_PER_WALK):
            if any(isinstance(want, s.EndCall) for want in wants):
                break
            wants = walk.wants(_event(chance, walk, oracle))
            assert wants, "a dead end"
            oracle.check(wants)
        assert oracle.last == walk.walk.entered
        told += oracle.transitions
    assert {"normal", "global"} <= {one.kind for one in told}
    assert len({one.new for one in told}) >= SIZE


def _event(chance: random.Random, walk: Walker, oracle: Oracle) -> s.Event:
    """What may happen next where the walk stands; the caller may speak at any time."""
    awaits = walk.walk.awaits
    if awaits is Awaits.CHOICE and chance.random() < 0.9:
        options = [None, *walk.walk.options]
        option = chance.choice(options)
        oracle.picked, oracle.has_picked = (option.condition if option else None), True
        return s.Chosen(option.label if option else None)
    oracle.caller_spoke, oracle.has_picked = False, False
    if awaits is Awaits.TOOL:
        found = {name: chance.choice(VALUES) for name in VARIABLES if chance.random() < 0.5}
        walk.variables |= found
        oracle.variables |= found
        return s.ToolDone(walk.walk.runs, is_successful=chance.random() < 0.8)
    if awaits in {Awaits.SPEECH, Awaits.SPEECH_TO_GO_ON} and chance.random() < 0.8:
        return SAID
    oracle.caller_spoke = True
    return SPOKE


EVENTS = st.one_of(
    st.sampled_from([SPOKE, SPOKE, SAID, SAID, SILENT, CUT_OFF, s.Began()]),
    st.builds(s.Chosen, st.sampled_from([None, "1", "2", "9"])),
    st.builds(s.ToolDone, st.integers(0, 5), st.booleans()),
)


@given(
    seed=st.integers(0, 30), values=st.dictionaries(st.sampled_from(VARIABLES), st.sampled_from(VALUES)), data=st.data()
)
def test_whatever_happens_in_whatever_order_the_walk_goes_on(
    seed: int, values: dict[str, int], data: st.DataObject
) -> None:
    walk = Walker(map_of(garden(seed)), **values)
    entered: tuple[str, ...] = ()
    for event in [s.Began(), *data.draw(st.lists(EVENTS, max_size=30))]:
        before = walk.walk
        wants = walk.wants(event)
        for want in wants:
            if isinstance(want, s.Entered):
                assert want.former == entered
                entered = want.new
        assert walk.walk.entered == entered
        assert wants or (walk.walk.path, walk.walk.awaits) == (before.path, before.awaits)
        assert len(walk.walk.passed) <= MAX_PASSED
        assert walk.walk.awaits is not Awaits.CHOICE or walk.walk.options
        assert walk.walk.before is None or walk.walk.before.before is None
