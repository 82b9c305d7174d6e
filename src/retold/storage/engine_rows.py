"""The response engine of an agent, found among what is kept, for work inside a transaction."""

from sqlalchemy import Connection

from retold.domain.response_engine import ConversationFlow, CustomLlm, ResponseEngine, RetellLlm
from retold.domain.version_reference import LATEST
from retold.ids import OrgId
from retold.storage import flow_rows, llm_rows


def pinned(connection: Connection, org_id: OrgId, engine: ResponseEngine) -> ResponseEngine:
    """The engine with the version it means now. Raises NotFound when it is not there."""
    match engine:
        case CustomLlm():
            return engine
        case ConversationFlow():
            flow_id, wanted = engine.conversation_flow_id, _wanted(engine.version)
            flow = flow_rows.find_flow(connection, org_id, flow_id, wanted)
            if flow is None:
                near = flow_rows.VERSIONS.near(connection, org_id, flow_id)
                field = "response_engine.conversation_flow_id"
                raise flow_rows.unknown_flow(flow_id, engine.version, field=field, near=near)
            return engine.model_copy(update={"version": flow.version})
        case RetellLlm():
            found = llm_rows.find_llm(connection, org_id, engine.llm_id, _wanted(engine.version))
            if found is None:
                near = llm_rows.VERSIONS.near(connection, org_id, engine.llm_id)
                raise llm_rows.unknown_llm(engine.llm_id, engine.version, field="response_engine.llm_id", near=near)
            return engine.model_copy(update={"version": found.version})


def _wanted(version: int | None) -> int | str:
    return LATEST if version is None else version
