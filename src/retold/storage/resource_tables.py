"""The tables of agents, Retell LLMs, flows and phone numbers; they share their `metadata` with `tables`."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from retold.storage.tables import metadata

agent = Table(
    "agent",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("agent_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("is_published", Boolean, nullable=False),
    Column("last_modification_timestamp", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    # The highest number that any version of this agent has had: numbers are never given twice.
    Column("highest_version", Integer, nullable=False, server_default="0"),
    Column("agent_name", Text),
    Column("is_transfer_agent", Boolean, nullable=False, server_default="0"),
    # The id of the Retell LLM or flow that this version uses, and its version.
    Column("engine_id", String(64)),
    Column("engine_version", Integer),
    Index("agent_by_change", "org_id", "last_modification_timestamp"),
    Index("agent_by_engine", "org_id", "engine_id"),
)

agent_tag = Table(
    "agent_tag",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("agent_id", String(64), primary_key=True),
    Column("tag", String(64), primary_key=True),
    # Null for a tag that names no version at the moment.
    Column("version", Integer),
    Column("assigned_ms", BigInteger, nullable=False),
    Column("dynamic_variables", Text, nullable=False),
)

llm = Table(
    "llm",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("llm_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("is_published", Boolean, nullable=False),
    Column("last_modification_timestamp", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("highest_version", Integer, nullable=False),
    Index("llm_by_change", "org_id", "last_modification_timestamp"),
)

conversation_flow = Table(
    "conversation_flow",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("conversation_flow_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("is_published", Boolean, nullable=False),
    Column("last_modification_timestamp", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("highest_version", Integer, nullable=False),
    Index("conversation_flow_by_change", "org_id", "last_modification_timestamp"),
)

# Components that flows share.
flow_component = Table(
    "flow_component",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("conversation_flow_component_id", String(64), primary_key=True),
    Column("user_modified_timestamp", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("flow_component_by_change", "org_id", "user_modified_timestamp"),
)

# Which version of a flow, or which other component (without a version), names a shared component.
flow_component_use = Table(
    "flow_component_use",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("conversation_flow_component_id", String(64), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    # -1 for a component.
    Column("version", Integer, primary_key=True, autoincrement=False),
    Index("flow_component_use_by_user", "org_id", "user_id"),
)

phone_number = Table(
    "phone_number",
    metadata,
    Column("org_id", ForeignKey("org.org_id"), primary_key=True),
    Column("phone_number", String(64), primary_key=True),
    Column("last_modification_timestamp", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("sealed_password", Text),
    Index("phone_number_by_change", "org_id", "last_modification_timestamp"),
    Index("phone_number_by_number", "phone_number"),
)
