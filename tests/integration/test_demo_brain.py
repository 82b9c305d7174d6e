"""Ada and the example server over real websockets, asked by our own responder as a call would."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn

from retold.clock import SystemClock
from retold.demo.app import PATH, app
from retold.domain.agent import DEMO_BRAIN_URL
from retold.domain.call import Call
from retold.domain.transcript import Utterance
from retold.errors import ConnectFailed
from retold.outbound import Outbound
from retold.ports import ReplyKind, ReplyWanted, RoundTrip, Say, ToolInvoked, ToolReturned, Traffic
from retold.responders.custom_llm import CustomLlm
from retold.settings import Settings
from support.fake_llm import Heard, heard_from
from support.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
CALL = Call(call_id="call_1", agent_id="demo")


@asynccontextmanager
async def demo_brain() -> AsyncGenerator[int]:
    """Ada in this process; gives her port."""
    server = uvicorn.Server(
        uvicorn.Config(app(), host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio")
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        with anyio.fail_after(PATIENCE_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event to wait for
                await anyio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True


@contextmanager
def program(*arguments: str) -> Generator[str]:
    """A program of ours; gives the first line it prints."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def request(response_id: int, *lines: tuple[str, str]) -> ReplyWanted:
    transcript = [
        Utterance(role="agent" if role == "agent" else "user", content=content, words=()) for role, content in lines
    ]
    return ReplyWanted(response_id, ReplyKind.RESPONSE, transcript, transcript)


async def reply(llm: CustomLlm, heard: Heard, wanted: ReplyWanted | None) -> list[Say]:
    """Ask, and give the whole reply."""
    response_id = 0 if wanted is None else wanted.response_id
    if wanted is not None:
        await llm.send(wanted)

    def said() -> list[Say]:
        return [say for say in heard.of(Say) if say.response_id == response_id]

    await heard.until(lambda: any(say.is_complete for say in said()))
    return said()


def text(says: list[Say]) -> str:
    return "".join(say.text for say in says).strip()


async def test_a_whole_booking_over_the_wire() -> None:
    async with demo_brain() as port:
        llm = CustomLlm(
            DEMO_BRAIN_URL,
            CALL,
            Outbound([], lambda: f"ws://127.0.0.1:{port}{PATH}"),
            Settings(llm_ping_interval_ms=50),
            SystemClock(),
        )
        async with heard_from(llm) as heard:
            assert "demo receptionist" in text(await reply(llm, heard, None))
            lines = [("user", "Book a cleaning for Tuesday at ten.")]
            offer = text(await reply(llm, heard, request(1, *lines)))
            assert offer == "Tuesday at ten is free. Shall I book it?"
            lines += [("agent", offer), ("user", "Yes.")]
            assert "Your cleaning is booked for Tuesday at ten." in text(await reply(llm, heard, request(2, *lines)))
            says = await reply(llm, heard, request(3, *lines, ("agent", "Anything else?"), ("user", "No, bye.")))
            assert says[-1].end_call
            await heard.until(lambda: len(heard.of(RoundTrip)) >= 2)
        assert [act.name for act in heard.of(ToolInvoked)] == ["check_schedule", "book_appointment"]
        assert len(heard.of(ToolReturned)) == 2
        assert any('"call_details"' in act.text for act in heard.of(Traffic))
        assert not any(note.startswith(("Error", "dropped")) for note in heard.notes())


async def test_nonsense_leaves_ada_unmoved_and_other_paths_are_closed() -> None:
    async with demo_brain() as port:
        outbound = Outbound(["127.0.0.1"], lambda: None)
        socket = await outbound.connect_websocket(f"ws://127.0.0.1:{port}{PATH}/call_1", timeout_s=PATIENCE_S)
        assert "auto_reconnect" in str(await socket.receive())
        await socket.send("nonsense")
        await socket.send('{"interaction_type":"ping_pong","timestamp":7}')
        with anyio.fail_after(PATIENCE_S):
            while "ping_pong" not in str(await socket.receive()):
                pass
        await socket.close()
        with pytest.raises(ConnectFailed, match="403"):
            await outbound.connect_websocket(f"ws://127.0.0.1:{port}/elsewhere", timeout_s=PATIENCE_S)


async def test_ada_runs_alone() -> None:
    with program("-m", "retold.demo", "--port", "0") as line:
        assert line.endswith(PATH)


async def test_the_example_server_greets_repeats_and_hangs_up() -> None:
    with program("examples/custom_llm_server.py", "0") as line:
        port = line.rpartition(" ")[2]
        llm = CustomLlm(
            f"ws://127.0.0.1:{port}/llm-websocket",
            CALL,
            Outbound([f"127.0.0.1:{port}"], lambda: None),
            Settings(llm_ping_interval_ms=50),
            SystemClock(),
        )
        async with heard_from(llm) as heard:
            assert text(await reply(llm, heard, None)) == "Hello, I repeat what you say."
            assert text(await reply(llm, heard, request(1, ("user", "Hi there.")))) == "You said: Hi there."
            (farewell,) = await reply(llm, heard, request(2, ("user", "Goodbye.")))
            assert farewell.end_call
            await heard.until(lambda: bool(heard.of(RoundTrip)))
