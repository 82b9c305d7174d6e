"""A call with an LLM websocket, and what is said on it."""

from typing import Any

import anyio

from retold.domain.call import Call
from retold.domain.reasons import CallStatus
from retold.domain.transcript import ToolCallInvocation, Utterance
from retold.errors import ConnectFailed
from retold.ports import ReplyKind, ReplyWanted
from retold.responders.custom_llm import CustomLlm
from retold.settings import Settings
from support.fake_llm import FakeLlm, FakeSocket
from support.virtual_time import VirtualClock

CALL = Call(call_id="call_1", agent_id="agent_1", access_token="secret", call_status=CallStatus.ONGOING)
HELLO = Utterance(role="agent", content="Hello.", words=(), response_id=0)
QUESTION = Utterance(role="user", content="When?", words=())
TOOL = ToolCallInvocation(tool_call_id="t1", name="look", arguments="{}")
REFUSED = ConnectFailed("connection refused")
KEEPALIVE = {"auto_reconnect": True}


def responder(server: FakeLlm) -> CustomLlm:
    return CustomLlm("wss://brain.example/llm", CALL, server, Settings(), VirtualClock())


def request(response_id: int, kind: ReplyKind = ReplyKind.RESPONSE) -> ReplyWanted:
    return ReplyWanted(response_id, kind, [HELLO, QUESTION], [HELLO, TOOL, QUESTION])


def says(socket: FakeSocket, response_id: int, content: str, *, complete: bool = False, **more: Any) -> None:
    socket.says("response", response_id=response_id, content=content, content_complete=complete, **more)


async def soon() -> None:
    await anyio.sleep(0.01)
