"""What a model is told at a node."""

from typing import Any

from retold.domain.dialogue import ToolUse
from retold.domain.flow_prompts import (
    CHOICE_ARGUMENT,
    CHOICE_TOOL,
    arguments_prompt,
    choice_prompt,
    choice_tool,
    chosen_label,
    talk_prompt,
)
from retold.domain.flow_steps import Option, SayByPrompt
from support.flow_walks import function, global_node, map_of
from support.flows import PROMPT, TEXT, TOOL, edge, end, flow, talk


def filled(text: str) -> str:
    return text.replace("{{name}}", "Ann")


def talked(*nodes: dict[str, Any], is_first: bool = True, is_reminder: bool = False, **fields: Any) -> str:
    one = map_of(flow(*nodes, **fields))
    return talk_prompt(one, SayByPrompt((nodes[0]["id"],), is_first=is_first, is_reminder=is_reminder), filled)


def example(*said: str) -> dict[str, Any]:
    roles = ("user", "agent")
    return {"transcript": [{"role": roles[number % 2], "content": text} for number, text in enumerate(said)]}


def test_a_node_talks_by_the_global_prompt_and_its_own() -> None:
    prompt = talked(talk("a", instruction={"type": "prompt", "text": "Ask {{name}}."}), global_prompt="Be kind.")
    assert prompt == "Be kind.\n\nYour task now:\nAsk Ann."
    assert talked(talk("a", instruction={"type": "prompt", "text": " "})) == ""


def test_a_node_that_has_spoken_goes_on() -> None:
    again = talked(talk("a", instruction=TEXT), is_first=False)
    assert again.startswith("Your task now:\nOne moment.\n\nYou have done this already")
    assert "silent for a while" in talked(talk("a"), is_first=False, is_reminder=True)


def test_examples_show_how_to_talk() -> None:
    taught = talked(talk("a", finetune_conversation_examples=[example("Hi.", "Hello!") | {"id": "x"}]))
    assert taught.endswith("An example of how to talk here:\nCaller: Hi.\nAgent: Hello!")


def test_nodes_that_act_say_what_they_do() -> None:
    assert "Your task now:\nSay what you do." in talked(function("call", instruction=PROMPT), tools=[TOOL])
    assert "Your task now: Look up." in talked(function("call", name="Look up"), tools=[TOOL])
    assert "say goodbye" in talked(end())


OPTIONS = (
    Option("1", "wants {{name}}", ("b",), edge_id="e1"),
    Option("2", "asks for help", ("help",), is_global=True),
    Option("3", "was helped", None, is_back=True),
)


def test_the_model_is_shown_what_it_may_choose_with_examples() -> None:
    taught = [
        example("To b.") | {"id": "x1", "destination_node_id": "b"},
        example("Stay.") | {"id": "x2"},
        example("To c.") | {"id": "x3", "destination_node_id": "c"},
    ]
    invoked = {"role": "tool_call_invocation", "tool_call_id": "t", "name": "look_up", "arguments": "{}"}
    result = {"role": "tool_call_result", "tool_call_id": "t", "content": "found"}
    helped = {"positive_finetune_examples": [{"transcript": [invoked, result]}]}
    not_helped = {"negative_finetune_examples": [example("Never mind.")]}
    nodes = [talk("a", finetune_transition_examples=taught), talk("b"), talk("c")]
    one = map_of(flow(*nodes, talk("help") | global_node("asks for help", **helped, **not_helped)))
    prompt = choice_prompt(one, ("a",), OPTIONS, filled)
    assert "1: wants Ann\n2: asks for help\n3: was helped\nnone: no condition holds yet" in prompt
    assert "An example that leads to 1:\nCaller: To b." in prompt
    assert "An example that leads to none:\nCaller: Stay." in prompt
    assert "An example that leads to 2:\nTool look_up: {}\nResult: found" in prompt
    assert "An example that leads to something other than 2:\nCaller: Never mind." in prompt
    assert "To c." not in prompt
    assert "Transitions:" in choice_prompt(map_of(flow(end())), ("end",), OPTIONS[2:], filled)


def test_the_choice_is_one_of_the_labels() -> None:
    assert choice_tool(OPTIONS).parameters["properties"][CHOICE_ARGUMENT]["enum"] == ["1", "2", "3", "none"]

    def choice(name: str, arguments: str) -> str | None:
        return chosen_label([ToolUse("t", name, arguments)], OPTIONS)

    assert choice(CHOICE_TOOL, '{"transition": "2"}') == "2"
    assert choice(CHOICE_TOOL, '{"transition": 3}') == "3"
    assert choice(CHOICE_TOOL, '{"transition": "none"}') is None
    assert choice(CHOICE_TOOL, "no JSON") is None
    assert choice("other", '{"transition": "2"}') is None


def test_a_tool_is_asked_for_by_its_name_and_keys_by_their_instruction() -> None:
    press = {"id": "press", "type": "press_digit", "instruction": PROMPT, "edges": [edge("p", "call")]}
    one = map_of(flow(press, function("call"), tools=[TOOL], global_prompt="Be kind."))
    assert arguments_prompt(one, ("call",), "look_up", filled).startswith("Be kind.\n\nUse the tool look_up now")
    assert "Say what you do.\n\nUse the tool" in arguments_prompt(one, ("press",), "press", filled)
