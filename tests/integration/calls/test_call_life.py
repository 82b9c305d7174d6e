"""The life of calls as a state machine (catalogue D8): any order of joining, talking, ending, waiting, killing."""

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from retold.calls.recover import recover
from retold.domain.call import CallRecord
from retold.ids import CallId
from support.call_house import CANARY, RATE, HandClock, House, ScriptedSession, open_house, said
from support.database import sqlite_only
from support.invariants import check_call, check_files
from support.patience import PATIENCE_S

SLOTS = 2
JOIN_MS = 30_000


@dataclass
class Model:
    """What must be true of one call."""

    record: CallRecord
    deadline_ms: float
    state: str = "registered"
    reason: str | None = None
    turns: int = 0
    final: str | None = None
    session: ScriptedSession | None = None
    running: Future[Any] | None = None
    over: anyio.Event = field(default_factory=anyio.Event)

    def ends(self, reason: str) -> None:
        self.state, self.reason, self.session = "terminal", reason, None


class CallLife(RuleBasedStateMachine):
    """Every rule acts on the server and on the model; the invariant compares them."""

    calls: Bundle[str] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.portal = self.stack.enter_context(start_blocking_portal())
        self.clock = HandClock()
        self.models: dict[str, Model] = {}
        self.boots = 0
        self.open(self.folder / "0")

    def open(self, folder: Path) -> None:
        self.data = folder
        self.house_stack = ExitStack()
        opened = open_house(folder, clock=self.clock, concurrency_limit=SLOTS)
        self.house: House = self.house_stack.enter_context(self.portal.wrap_async_context_manager(opened))
        self.house.script = self.converse

    async def converse(self, session: ScriptedSession) -> None:
        live = next(one for one in self.models.values() if one.state == "joining")
        live.session, live.state = session, "live"
        live.over = session.stopped
        await session.stopped.wait()

    def teardown(self) -> None:
        self.portal.call(self.house.live.end_all)
        self.house_stack.close()
        self.stack.close()

    def live(self) -> list[Model]:
        return [one for one in self.models.values() if one.state == "live"]

    @rule(target=calls)
    def create(self) -> str:
        record = self.portal.call(self.house.create)
        self.models[record.call.call_id] = Model(record, self.clock.monotonic_ms() + JOIN_MS)
        return record.call.call_id

    @rule(call_id=calls)
    def join(self, call_id: str) -> None:
        model = self.models[call_id]
        if model.state != "registered":
            if model.state == "terminal":
                assert self.portal.call(self.house.hold, model.record).call.disconnection_reason == model.reason
            return
        if len(self.live()) == SLOTS:
            self.portal.call(self.house.hold, model.record)
            model.ends("concurrency_limit_reached")
            return
        model.state = "joining"
        model.running = self.portal.start_task_soon(self.house.hold, model.record)
        self.wait_until(lambda: model.state == "live")

    @rule(call_id=calls)
    def talk(self, call_id: str) -> None:
        model = self.models[call_id]
        if model.session is None:
            return
        at_ms = model.session.clock.now_ms()
        self.portal.call(self.say, model.session, model.turns, at_ms)
        self.clock.pass_ms(600)
        model.turns += 1

    async def say(self, session: ScriptedSession, turn: int, at_ms: float) -> None:
        session.tape.write_caller(int(at_ms * RATE / 1000), b"\x01\x00" * 800)
        for event in said(turn, at_ms):
            session.timeline.append(event)
        await session.timeline.committed()

    @rule(call_id=calls)
    def hang_up(self, call_id: str) -> None:
        model = self.models[call_id]
        if model.session is None:
            return
        self.portal.call(model.session.end)
        self.portal.call(model.session.stopped.set)
        assert model.running is not None
        model.running.result(PATIENCE_S)
        model.ends("user_hangup")

    @rule(call_id=calls)
    def stop(self, call_id: str) -> None:
        model = self.models[call_id]
        stored = self.portal.call(self.house.store.find_call, None, CallId(call_id))
        assert stored is not None
        assert self.portal.call(self.house.live.stop, stored) == (model.state != "terminal")
        if model.state == "terminal":
            return
        if model.running is not None:
            model.running.result(PATIENCE_S)
        model.ends("manual_stopped")

    @rule(ms=st.sampled_from([100, 7_000, 31_000]))
    def wait(self, ms: int) -> None:
        self.clock.pass_ms(ms)
        self.portal.call(self.house.live.end_overdue)
        for model in self.models.values():
            if model.state == "registered" and model.deadline_ms <= self.clock.monotonic_ms():
                model.ends("error_user_not_joined")

    @rule(hours=st.sampled_from([-24, -1, 1, 24]))
    def jump(self, hours: int) -> None:
        self.clock.jump(hours * 3_600_000)

    @rule()
    def kill(self) -> None:
        """The folder as a SIGKILL leaves it is a copy taken while the server runs."""
        left = self.folder / str(self.boots + 1)
        left.mkdir()
        for name in ("retold.db", "retold.db-wal"):
            if (self.data / name).exists():
                shutil.copy(self.data / name, left)
        for name in ("spool", "files"):
            if (self.data / name).exists():
                shutil.copytree(self.data / name, left / name)
        self.portal.call(self.house.live.end_all)
        self.start_again(left)

    @rule()
    def restart(self) -> None:
        self.portal.call(self.house.live.end_all)
        self.start_again(self.data)

    def start_again(self, folder: Path) -> None:
        self.house_stack.close()
        for model in self.live():
            model.ends("error_retell")
        self.boots += 1
        self.open(folder)
        self.portal.call(recover, self.house.deps.archive, self.house.live)
        for model in self.models.values():
            left_ms = model.record.join_deadline_wall_ms - self.clock.wall_ms()
            model.deadline_ms = self.clock.monotonic_ms() + min(max(left_ms, 0), JOIN_MS)
        self.wait(0)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if condition():
                return
            self.portal.call(anyio.sleep, 0.001)
        raise AssertionError("the server did not get there")

    @invariant()
    def the_server_shows_what_happened(self) -> None:
        for call_id, model in self.models.items():
            stored = self.portal.call(self.house.store.find_call, None, CallId(call_id))
            assert stored is not None, "an acknowledged call is gone"
            status = stored.call.call_status
            if model.state != "terminal":
                assert status == {"registered": "registered", "live": "ongoing"}[model.state]
                continue
            assert status.is_terminal
            assert stored.call.disconnection_reason == model.reason
            check_call(stored.call.wire())
            if model.final is None:
                check_files(self.data, stored.call.wire())
                assert (stored.call.transcript or "").count(CANARY) == 2 * model.turns
            else:
                assert stored.model_dump_json() == model.final, "a terminal call changed"
            model.final = stored.model_dump_json()


TestCallLife = sqlite_only(CallLife.TestCase)
TestCallLife.settings = settings(max_examples=12, stateful_step_count=25)
