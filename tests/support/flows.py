"""Conversation flows as a client sends them."""

from typing import Any


def edge(edge_id: str, to: str | None, prompt: str = "when it fits") -> dict[str, Any]:
    """An edge that the model judges; without a destination it leads out of a component."""
    made = {"id": edge_id, "transition_condition": {"type": "prompt", "prompt": prompt}}
    return made if to is None else made | {"destination_node_id": to}


def talk(node_id: str, *to: str, **fields: Any) -> dict[str, Any]:
    """A node that talks, with an edge to each of these nodes."""
    edges = [edge(f"{node_id}-{name}", name) for name in to]
    instruction = {"type": "prompt", "text": f"Talk about {node_id}."}
    return {"id": node_id, "type": "conversation", "instruction": instruction, "edges": edges, **fields}


def end(node_id: str = "end") -> dict[str, Any]:
    """A node that hangs up."""
    return {"id": node_id, "type": "end"}


def component_node(node_id: str, component_id: str, kind: str, to: str | None) -> dict[str, Any]:
    """A node that goes through a component and then on to another node."""
    names = {"component_id": component_id, "component_type": kind}
    return {"id": node_id, "type": "component", **names, "else_edge": edge(f"{node_id}-else", to, "Else")}


def flow(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A flow of these nodes, by default one that talks and ends."""
    given = list(nodes) or [talk("welcome", "end"), end()]
    return {"nodes": given, "start_speaker": "agent", "start_node_id": given[0]["id"], **fields}


def component(name: str, *nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A component of these nodes, by default one that talks and is left."""
    given = list(nodes) or [talk("ask", "leave"), talk("leave", edges=[edge("out", None)])]
    return {"name": name, "nodes": given, **fields}


EQUATION = {"left": "{{age}}", "operator": ">=", "right": "18"}
EQUATIONS = {"type": "equation", "equations": [EQUATION], "operator": "&&"}
TOOL = {"type": "custom", "name": "look_up", "url": "https://x.example/look", "tool_id": "t1"}
MCP = {"name": "files", "url": "https://mcp.example", "timeout_ms": 5000}
EXAMPLE = {
    "transcript": [
        {"role": "user", "content": "hi"},
        {"role": "tool_call_invocation", "tool_call_id": "c", "name": "look_up", "arguments": "{}"},
        {"role": "tool_call_result", "tool_call_id": "c", "content": "found"},
    ]
}


TEXT = {"type": "static_text", "text": "One moment."}
PROMPT = {"type": "prompt", "text": "Say what you do."}
GLOBAL = {
    "condition": {
        "type": "equation_prompt",
        "equations": [EQUATION],
        "operator": "||",
        "prompt_condition": {"type": "prompt", "prompt": "asks for a person"},
    },
    "go_back_conditions": [edge("back", None)],
    "cool_down": 2,
    "positive_finetune_examples": [EXAMPLE],
    "negative_finetune_examples": [EXAMPLE],
}
LEARNT = [EXAMPLE | {"id": "x1", "destination_node_id": "end"}]
TALKING = {
    "name": "Welcome",
    "display_position": {"x": 1.5, "y": -2},
    "edges": [{"id": "e1", "transition_condition": EQUATIONS, "destination_node_id": "branch"}],
    "else_edge": edge("e2", "agent", "Else"),
    "skippable": True,
    "finetune_conversation_examples": [EXAMPLE | {"id": "x2"}],
    "finetune_transition_examples": LEARNT,
    "allow_dtmf_interruption": False,
    "boosted_keywords": ["{{name}}"],
    "custom_stt_config": {"provider": "deepgram", "endpointing_ms": 50},
    "interruption_sensitivity": 0.5,
    "kb_config": {"top_k": 3, "filter_score": 0.5},
    "knowledge_base_ids": ["kb"],
    "reminder_max_count": 0,
    "reminder_trigger_ms": 9000,
    "responsiveness": 1,
    "stt_mode": "custom",
    "voice_speed": 1.5,
    "model_choice": {"type": "cascading", "model": "gpt-5", "high_priority": True},
    "global_node_setting": GLOBAL,
}
ACTING = {
    "wait_for_result": True,
    "speak_during_execution": True,
    "enable_typing_sound": True,
    "instruction": TEXT,
    "else_edge": edge("x", "end", "Else"),
    "finetune_transition_examples": LEARNT,
}
SWAP = {"post_call_analysis_setting": "both_agents", "webhook_setting": "both_agents", "keep_current_voice": True}
ITEM = {"type": "enum", "name": "size", "description": "which", "choices": ["s", "m"]}
COLD = {"type": "cold_transfer"}


def every_node() -> list[dict[str, Any]]:
    """One node of each type, with every field of its own."""
    return [
        talk("start", **TALKING),
        talk("agent", type="subagent", tool_ids=["t1"], tools=[{"type": "end_call", "name": "bye"}], edges=[])
        | {"always_edge": edge("always", "call", "Always")},
        talk("skip", edges=[], instruction=TEXT) | {"skip_response_edge": edge("skip", "end", "Skip response")},
        {"id": "branch", "type": "branch", "else_edge": edge("else", "extract", "Else")},
        component_node("part", "pay", "local", "end"),
        *_acting_nodes(),
        *_nodes_that_hand_over(),
        end() | {"custom_sip_headers": {"X-Why": "{{reason}}"}, "instruction": TEXT, "speak_during_execution": True},
    ]


def _acting_nodes() -> list[dict[str, Any]]:
    return [
        {"id": "call", "type": "function", "tool_id": "t1", "tool_type": "local", **ACTING},
        {"id": "code", "type": "code", "code": "1", "timeout_ms": 5000, "response_variables": {"a": "$.a"}, **ACTING},
        {"id": "mcp", "type": "mcp", "mcp_id": "files", "mcp_tool_name": "read", **ACTING},
        {"id": "press", "type": "press_digit", "instruction": PROMPT, "delay_ms": 500, "edges": [edge("p", "end")]},
        {
            "id": "sms",
            "type": "sms",
            "instruction": {"type": "template", "template": "info_collection"},
            "success_edge": edge("sent", "end", "Sent successfully"),
            "failed_edge": edge("not", "end", "Failed to send"),
            "sms_destination": {"type": "customer_number"},
            "sms_sender": {"type": "current_number"},
        },
        {"id": "extract", "type": "extract_dynamic_variables", "variables": [ITEM], "edges": [edge("x", "sms")]},
    ]


def _nodes_that_hand_over() -> list[dict[str, Any]]:
    return [
        {
            "id": "transfer",
            "type": "transfer_call",
            "transfer_destination": {"type": "predefined", "number": "+14155550100"},
            "transfer_option": COLD,
            "edge": edge("failed", "end", "Transfer failed"),
            "custom_sip_headers": {"X-A": "b"},
        },
        {"id": "swap", "type": "agent_swap", "agent_id": "a", "agent_version": 1, "edge": edge("f", "end"), **SWAP},
        {"id": "bridge", "type": "bridge_transfer", "instruction": PROMPT, "speak_during_execution": True},
        {"id": "cancel", "type": "cancel_transfer"},
    ]


def whole_flow() -> dict[str, Any]:
    """A flow with every type of node and every field of the SDK."""
    return flow(
        *every_node(),
        tools=[TOOL],
        mcps=[MCP],
        components=[component("pay", tools=[TOOL | {"tool_id": "t2"}], mcps=[MCP], start_node_id="ask")],
        model_config={
            "type": "cascading",
            "primary": {"model": "gpt-5", "tier": "fast"},
            "backup": {"model": "gpt-5-mini", "tier": "standard", "kick_in_timeout_ms": 900},
            "temperature": 0.25,
        },
        begin_after_user_silence_ms=3000,
        begin_tag_display_position={"x": 0, "y": 0},
        default_dynamic_variables={"name": "you"},
        flex_mode=False,
        global_prompt="You are kind.",
        is_transfer_cf=False,
        kb_config={"top_k": 3, "filter_score": 0.5},
        knowledge_base_ids=["kb"],
        notes=[{"id": "n", "content": "c", "display_position": {"x": 1}, "size": {"width": 2, "height": 3}}],
        tool_call_strict_mode=True,
    )
