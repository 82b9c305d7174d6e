"""A pizza service that takes orders by telephone: a conversation flow with branches, code and a global node.

Start a server with a model behind it (docs/how-to/choose-your-model.md), then this program:

    RETOLD_LLM__BASE_URL=http://127.0.0.1:11434/v1 RETOLD_LLM__MODEL=qwen3:8b retold serve
    RETOLD_API_KEY=... python examples/flow_agent.py

It makes the flow and the agent, and prints the agent's id. `python examples/try_it.py flow` does all this
and places a call.
"""

import argparse
import json
import os
from typing import Any
from urllib.request import Request, urlopen

PRICE = "return {price: 9 * Number(dv.pizzas)};"


def edge(name: str, to: str, prompt: str) -> dict[str, Any]:
    """The way to another node, when the model finds that this holds."""
    return {"id": name, "destination_node_id": to, "transition_condition": {"type": "prompt", "prompt": prompt}}


def says(text: str) -> dict[str, Any]:
    """Say just this."""
    return {"type": "static_text", "text": text}


def talk(node_id: str, instruction: dict[str, Any], *edges: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A node that talks with the caller."""
    return {"id": node_id, "type": "conversation", "instruction": instruction, "edges": list(edges), **fields}


def nodes() -> list[dict[str, Any]]:
    """The way of an order."""
    pizzas = {"type": "number", "name": "pizzas", "description": "How many pizzas the caller wants.", "required": True}
    many = {"type": "equation", "operator": "&&", "equations": [{"left": "{{pizzas}}", "operator": ">", "right": "10"}]}
    return [
        talk(
            "welcome",
            says("{{shop}}, good evening. How many pizzas may it be?"),
            edge("ordered", "read", "the caller has said how many pizzas"),
            name="Welcome",
        ),
        {
            "id": "read",
            "type": "extract_dynamic_variables",
            "variables": [pizzas],
            "else_edge": edge("read-else", "how_many", "Else"),
        },
        {
            "id": "how_many",
            "type": "branch",
            "edges": [{"id": "many", "destination_node_id": "too_many", "transition_condition": many}],
            "else_edge": edge("few", "price", "Else"),
        },
        {
            "id": "price",
            "type": "code",
            "code": PRICE,
            "response_variables": {"price": "price"},
            "wait_for_result": True,
            "else_edge": edge("priced", "confirm", "Else"),
        },
        talk(
            "confirm",
            says("{{pizzas}} pizzas, that is {{price}} euros. Shall I send them?"),
            edge("yes", "bye", "the caller agrees"),
            edge("no", "welcome", "the caller wants something else"),
        ),
        talk("too_many", says("For so many, please write to us."), always_edge=edge("on", "bye", "Always")),
        talk(
            "hours",
            {"type": "prompt", "text": "Answer: open every day from five to eleven. Then ask for the order again."},
            name="Opening hours",
            global_node_setting={
                "condition": "the caller asks when the shop is open",
                "go_back_conditions": [back("the caller is done with that and wants to order")],
                "cool_down": 2,
            },
        ),
        {"id": "bye", "type": "end", "instruction": says("Thank you, goodbye."), "speak_during_execution": True},
    ]


def back(prompt: str) -> dict[str, Any]:
    """The way back to where the caller was, when this holds."""
    return {"id": "back", "transition_condition": {"type": "prompt", "prompt": prompt}}


def flow() -> dict[str, Any]:
    """The whole flow."""
    return {
        "nodes": nodes(),
        "start_node_id": "welcome",
        "start_speaker": "agent",
        "model_config": {"type": "cascading", "primary": {"model": "gpt-4.1"}},
        "global_prompt": "You answer the telephone of {{shop}}, in short sentences.",
        "default_dynamic_variables": {"shop": "Pronto Pizza"},
    }


def post(server: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the API of the server. Raises HTTPError."""
    headers = {"Authorization": f"Bearer {os.environ['RETOLD_API_KEY']}", "Content-Type": "application/json"}
    request = Request(server + path, json.dumps(body).encode(), headers)  # noqa: S310 - the address is the operator's
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return json.loads(answer.read())


def main() -> None:
    """Make the flow and its agent."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--server", default="http://127.0.0.1:8080", help="the Retold server")
    server = parser.parse_args().server
    made = post(server, "/create-conversation-flow", flow())
    engine = {"type": "conversation-flow", "conversation_flow_id": made["conversation_flow_id"]}
    agent = {"agent_name": "Pronto Pizza", "voice_id": "default", "response_engine": engine}
    print("agent", post(server, "/create-agent", agent)["agent_id"])


if __name__ == "__main__":
    main()
