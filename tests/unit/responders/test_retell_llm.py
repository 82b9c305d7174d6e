"""A Retell LLM holds a conversation: it begins, answers, moves through its states and uses its tools."""

import pytest

from retold.domain.dialogue import AgentText, SystemText, UserText
from support.minds import llm_of, thinking

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HELLO = {"when": {"last": "hello"}, "steps": [{"say": "Hello to you."}]}


async def test_it_says_its_begin_message_and_answers() -> None:
    one = thinking(llm_of(begin_message="Good day, {{name}}.", general_prompt="You serve {{name}}."), HELLO)
    one.call.user_says("Hello there.", at_s=3)
    one.call.user_hangs_up(at_s=7)
    await one.call.run()
    assert one.call.lines() == ["agent: Good day, Ann.", "user: Hello there.", "agent: Hello to you."]
    (request,) = one.model.requests
    assert request.messages == (SystemText("You serve Ann."), AgentText("Good day, Ann."), UserText("Hello there."))
