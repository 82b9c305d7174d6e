"""New drafts: a version of an agent and the version of its Retell LLM are made, and published, together."""

from sqlalchemy import Connection

from retold.domain.agent import Agent
from retold.domain.agent_request import new_draft
from retold.domain.llm import Llm
from retold.domain.llm_request import new_llm_draft
from retold.domain.response_engine import ResponseEngine, RetellLlm
from retold.ids import OrgId
from retold.storage import agent_rows, llm_rows


def draft_agent(connection: Connection, org_id: OrgId, base: Agent, now_ms: int) -> Agent:
    """A new version that begins as a copy of `base`, with a copy of its Retell LLM."""
    version = agent_rows.VERSIONS.next_version(connection, org_id, base.agent_id)
    engine = _draft_engine(connection, org_id, base.response_engine, version, now_ms)
    return _save_draft(connection, org_id, new_draft(base, version, now_ms), engine)


def draft_llm(connection: Connection, org_id: OrgId, base: Llm, now_ms: int) -> Llm:
    """A new version that begins as a copy of `base`; agents whose newest version is `base`'s go along with it.

    Otherwise the draft would be spoken by nobody: an agent's version names the version of its LLM.
    """
    users = agent_rows.newest_users(connection, org_id, base.llm_id, version=base.version)
    draft = _draft_llm(connection, org_id, base, 0, now_ms)
    engine = RetellLlm(llm_id=draft.llm_id, version=draft.version)
    for one in users:
        if one.is_published:
            version = agent_rows.VERSIONS.next_version(connection, org_id, one.agent_id)
            _save_draft(connection, org_id, new_draft(one, version, now_ms), engine)
        else:
            _save_draft(connection, org_id, one, engine)
    return draft


def publish_llm(connection: Connection, org_id: OrgId, engine: ResponseEngine, now_ms: int) -> None:
    """Publish the version of the Retell LLM that an agent's version names, unless it is or is not there."""
    if isinstance(engine, RetellLlm) and engine.version is not None:
        found = llm_rows.find_llm(connection, org_id, engine.llm_id, engine.version)
        if found is not None and not found.is_published:
            changes = {"is_published": True, "last_modification_timestamp": now_ms}
            llm_rows.save_llm(connection, org_id, found.model_copy(update=changes))


def _draft_engine(
    connection: Connection, org_id: OrgId, engine: ResponseEngine, agent_version: int, now_ms: int
) -> ResponseEngine:
    if not isinstance(engine, RetellLlm) or engine.version is None:
        return engine
    base = llm_rows.find_llm(connection, org_id, engine.llm_id, engine.version)
    if base is None:  # deleted by force
        return engine
    draft = _draft_llm(connection, org_id, base, agent_version, now_ms)
    return engine.model_copy(update={"version": draft.version})


def _draft_llm(connection: Connection, org_id: OrgId, base: Llm, least_version: int, now_ms: int) -> Llm:
    version = max(least_version, llm_rows.VERSIONS.next_version(connection, org_id, base.llm_id))
    draft = new_llm_draft(base, version, now_ms)
    llm_rows.save_llm(connection, org_id, draft)
    return draft


def _save_draft(connection: Connection, org_id: OrgId, draft: Agent, engine: ResponseEngine) -> Agent:
    draft = draft.model_copy(update={"response_engine": engine})
    agent_rows.save_agent(connection, org_id, draft)
    return draft
