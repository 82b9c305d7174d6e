"""New drafts: a version of an agent and the version of its Retell LLM or flow are made, and published, together."""

from collections.abc import Sequence

from sqlalchemy import Connection

from retold.domain.agent import Agent
from retold.domain.agent_request import new_draft
from retold.domain.flow import Flow
from retold.domain.flow_request import new_flow_draft
from retold.domain.llm import Llm
from retold.domain.llm_request import new_llm_draft
from retold.domain.response_engine import ConversationFlow, CustomLlm, ResponseEngine, RetellLlm
from retold.ids import OrgId
from retold.storage import agent_rows, flow_rows, llm_rows


def draft_agent(connection: Connection, org_id: OrgId, base: Agent, now_ms: int) -> Agent:
    """A new version that begins as a copy of `base`, with a copy of its Retell LLM or flow."""
    version = agent_rows.VERSIONS.next_version(connection, org_id, base.agent_id)
    engine = _draft_engine(connection, org_id, base.response_engine, version, now_ms)
    return _save_draft(connection, org_id, new_draft(base, version, now_ms), engine)


def draft_llm(connection: Connection, org_id: OrgId, base: Llm, now_ms: int) -> Llm:
    """A new version that begins as a copy of `base`; agents whose newest version is `base`'s go along with it.

    Otherwise the draft would be spoken by nobody: an agent's version names the version of its LLM.
    """
    users = agent_rows.newest_users(connection, org_id, base.llm_id, version=base.version)
    draft = _draft_llm(connection, org_id, base, 0, now_ms)
    _bring_along(connection, org_id, users, RetellLlm(llm_id=draft.llm_id, version=draft.version), now_ms)
    return draft


def draft_flow(connection: Connection, org_id: OrgId, base: Flow, now_ms: int) -> Flow:
    """The same of a flow."""
    flow_id = base.conversation_flow_id
    users = agent_rows.newest_users(connection, org_id, flow_id, version=base.version)
    draft = _draft_flow(connection, org_id, base, 0, now_ms)
    engine = ConversationFlow(conversation_flow_id=flow_id, version=draft.version)
    _bring_along(connection, org_id, users, engine, now_ms)
    return draft


def publish_engine(connection: Connection, org_id: OrgId, engine: ResponseEngine, now_ms: int) -> None:
    """Publish the version of the Retell LLM or flow that an agent's version names, unless it is or is not there."""
    if isinstance(engine, CustomLlm) or engine.version is None:
        return
    changes = {"is_published": True, "last_modification_timestamp": now_ms}
    match engine:
        case RetellLlm():
            llm = llm_rows.find_llm(connection, org_id, engine.llm_id, engine.version)
            if llm is not None and not llm.is_published:
                llm_rows.save_llm(connection, org_id, llm.model_copy(update=changes))
        case ConversationFlow():
            flow = flow_rows.find_flow(connection, org_id, engine.conversation_flow_id, engine.version)
            if flow is not None and not flow.is_published:
                flow_rows.save_flow(connection, org_id, flow.model_copy(update=changes))


def _draft_engine(
    connection: Connection, org_id: OrgId, engine: ResponseEngine, agent_version: int, now_ms: int
) -> ResponseEngine:
    if isinstance(engine, CustomLlm) or engine.version is None:
        return engine
    match engine:
        case RetellLlm():
            llm = llm_rows.find_llm(connection, org_id, engine.llm_id, engine.version)
            draft = None if llm is None else _draft_llm(connection, org_id, llm, agent_version, now_ms)
        case ConversationFlow():
            flow = flow_rows.find_flow(connection, org_id, engine.conversation_flow_id, engine.version)
            draft = None if flow is None else _draft_flow(connection, org_id, flow, agent_version, now_ms)
    # None when it was deleted by force.
    return engine if draft is None else engine.model_copy(update={"version": draft.version})


def _draft_llm(connection: Connection, org_id: OrgId, base: Llm, least_version: int, now_ms: int) -> Llm:
    version = max(least_version, llm_rows.VERSIONS.next_version(connection, org_id, base.llm_id))
    draft = new_llm_draft(base, version, now_ms)
    llm_rows.save_llm(connection, org_id, draft)
    return draft


def _draft_flow(connection: Connection, org_id: OrgId, base: Flow, least_version: int, now_ms: int) -> Flow:
    version = max(least_version, flow_rows.VERSIONS.next_version(connection, org_id, base.conversation_flow_id))
    draft = new_flow_draft(base, version, now_ms)
    flow_rows.save_flow(connection, org_id, draft)
    return draft


def _bring_along(
    connection: Connection, org_id: OrgId, users: Sequence[Agent], engine: ResponseEngine, now_ms: int
) -> None:
    """Give these agents another engine: published ones in a new draft."""
    for one in users:
        if one.is_published:
            version = agent_rows.VERSIONS.next_version(connection, org_id, one.agent_id)
            _save_draft(connection, org_id, new_draft(one, version, now_ms), engine)
        else:
            _save_draft(connection, org_id, one, engine)


def _save_draft(connection: Connection, org_id: OrgId, draft: Agent, engine: ResponseEngine) -> Agent:
    draft = draft.model_copy(update={"response_engine": engine})
    agent_rows.save_agent(connection, org_id, draft)
    return draft
