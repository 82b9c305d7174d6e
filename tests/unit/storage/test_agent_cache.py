from retold.domain.agent import ResolvedAgent
from retold.ids import DEFAULT_ORG_ID, OrgId
from retold.storage.agent_cache import MAX_AGE_MS, MAX_AGENTS, AgentCache, AgentReference
from support.call_house import HandClock
from support.stored import make_agent

ASKED = AgentReference(DEFAULT_ORG_ID, "agent_test", "latest")
FOUND = ResolvedAgent(make_agent())


def test_an_agent_is_kept_for_a_second() -> None:
    clock = HandClock()
    cache = AgentCache(clock)
    cache.keep(ASKED, FOUND, read_ms=clock.monotonic_ms(), changes=0)
    clock.pass_ms(MAX_AGE_MS)
    assert cache.fresh(ASKED, 0) is FOUND
    clock.pass_ms(1)
    assert cache.fresh(ASKED, 0) is None


def test_an_agent_is_kept_for_its_organisation_and_version_alone() -> None:
    cache = AgentCache(HandClock())
    cache.keep(ASKED, FOUND, read_ms=HandClock().monotonic_ms(), changes=0)
    others = (ASKED._replace(org_id=OrgId("org_other")), ASKED._replace(version=0), ASKED._replace(agent_id="agent_2"))
    assert [cache.fresh(other, 0) for other in others] == [None, None, None]


def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    cache = AgentCache(HandClock())
    cache.keep(ASKED, FOUND, read_ms=HandClock().monotonic_ms(), changes=0)
    assert cache.fresh(ASKED, 1) is None
    cache.keep(ASKED, FOUND, read_ms=HandClock().monotonic_ms(), changes=1)
    assert cache.fresh(ASKED, 1) is FOUND


def test_the_agents_asked_for_longest_ago_are_forgotten() -> None:
    cache = AgentCache(HandClock())
    for number in range(MAX_AGENTS + 1):
        cache.keep(ASKED._replace(version=number), FOUND, read_ms=HandClock().monotonic_ms(), changes=0)
    assert cache.fresh(ASKED._replace(version=0), 0) is None
    assert cache.fresh(ASKED._replace(version=1), 0) is FOUND
    assert cache.fresh(ASKED._replace(version=MAX_AGENTS), 0) is FOUND
