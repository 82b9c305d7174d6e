"""What a model is shown of the conversation: always a dialogue that vendors take, and only what was heard."""

from hypothesis import given
from hypothesis import strategies as st

from retold.domain.dialogue import AgentText, Message, SystemText, ToolOutcome, ToolUse, UserText
from retold.domain.transcript import Injected, ToolCallInvocation, ToolCallResult, TranscriptItem, Utterance
from retold.responders.mind.messages import ARRIVED, STILL_RUNNING, dialogue_of


def user(text: str) -> Utterance:
    return Utterance(role="user", words=(), content=text)


def agent(text: str) -> Utterance:
    return Utterance(role="agent", words=(), content=text, response_id=1)


def invoked(tool_id: str, name: str = "look") -> ToolCallInvocation:
    return ToolCallInvocation(tool_id, name, '{"day":1}')


def returned(tool_id: str, content: str = "free") -> ToolCallResult:
    return ToolCallResult(tool_id, content, successful=True)


def use(tool_id: str, name: str = "look") -> ToolUse:
    return ToolUse(tool_id, name, '{"day":1}')


def test_each_tool_use_is_followed_by_its_outcome() -> None:
    items = [user("Free?"), agent("Let me see."), invoked("a"), invoked("b"), returned("b", "B"), returned("a", "A")]
    assert dialogue_of([*items, agent("Yes.")]) == (
        UserText("Free?"),
        AgentText("Let me see.", (use("a"), use("b"))),
        ToolOutcome("a", "A"),
        ToolOutcome("b", "B"),
        AgentText("Yes."),
    )


def test_tools_one_after_the_other_stay_apart() -> None:
    items = [user("Free?"), invoked("a"), returned("a", "A"), invoked("b"), returned("b", "B")]
    assert dialogue_of(items) == (
        UserText("Free?"),
        AgentText("", (use("a"),)),
        ToolOutcome("a", "A"),
        AgentText("", (use("b"),)),
        ToolOutcome("b", "B"),
    )


def test_a_running_tool_is_said_to_run() -> None:
    assert dialogue_of([invoked("a"), user("Hello?")]) == (
        AgentText("", (use("a"),)),
        ToolOutcome("a", STILL_RUNNING),
        UserText("Hello?"),
    )


def test_a_result_the_caller_did_not_wait_for_is_announced_where_it_came() -> None:
    items = [invoked("a"), user("Hello?"), agent("One moment."), returned("a", "A")]
    assert dialogue_of(items) == (
        AgentText("", (use("a"),)),
        ToolOutcome("a", "A"),
        UserText("Hello?"),
        AgentText("One moment."),
        SystemText(ARRIVED.format(name="look", id="a")),
    )


def test_injected_context_stands_where_it_came() -> None:
    items = [agent("Hello."), Injected("He is in a hurry.", 900.0), user("Well?")]
    assert dialogue_of(items) == (AgentText("Hello."), SystemText("He is in a hurry."), UserText("Well?"))


def test_what_one_party_says_in_a_row_is_one_message() -> None:
    assert dialogue_of([agent("Hello."), agent("Anybody there?"), user("Yes."), user("I am."), agent(" ")]) == (
        AgentText("Hello. Anybody there?"),
        UserText("Yes. I am."),
    )


IDS = st.sampled_from("abcd")
ITEMS = st.one_of(
    st.builds(user, st.sampled_from(["yes", "no"])),
    st.builds(agent, st.sampled_from(["well", ""])),
    st.builds(invoked, IDS),
    st.builds(returned, IDS),
    st.builds(Injected, st.just("note"), st.just(0.0)),
)


@given(st.lists(ITEMS, max_size=25))
def test_vendors_take_any_dialogue(items: list[TranscriptItem]) -> None:
    check_for_vendors(dialogue_of(items))


def check_for_vendors(messages: tuple[Message, ...]) -> None:
    """Each tool use has one outcome, right behind it, and no id comes twice."""
    seen: set[str] = set()
    owed: list[str] = []
    for message in messages:
        if isinstance(message, ToolOutcome):
            assert message.tool_use_id in owed
            owed.remove(message.tool_use_id)
            continue
        assert owed == []
        if isinstance(message, AgentText):
            owed = [use.id for use in message.tool_uses]
            assert message.text.strip() or owed
            assert seen.isdisjoint(owed)
            seen.update(owed)
    assert owed == []
