"""A responder asks for its call when it needs it: with what changed meanwhile, and no longer than the call lasts."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import orjson
import pytest

from retold.calls.control import LiveChanges, update_live
from retold.calls.deps import CallParts
from retold.domain.call import CallRecord
from retold.ids import DEFAULT_ORG_ID, CallId
from retold.ports import Responder
from support.call_house import House, ScriptedSession, open_house

pytestmark = pytest.mark.anyio


class Asking:
    """As much of a responder as holds its call."""

    def __init__(self, parts: CallParts) -> None:
        self.record: Callable[[], CallRecord] = parts.record


def asking(parts: CallParts) -> Responder:
    return cast("Responder", Asking(parts))


def answered_by_asking(house: House) -> None:
    house.deps = replace(house.deps, responder=asking)


def overrides(session: ScriptedSession) -> object:
    responder: Asking = session.parts["responder"]
    return orjson.loads(responder.record().variable_overrides_json or "{}")


async def test_variables_set_in_mid_call_are_there_at_once(tmp_path: Path) -> None:
    seen: list[object] = []
    async with open_house(tmp_path) as house:
        answered_by_asking(house)
        record = await house.create(dynamic_variables={"name": "Ann"})

        async def script(session: ScriptedSession) -> None:
            seen.append(overrides(session))
            changes = LiveChanges(variable_overrides={"name": "Bo"})
            assert await update_live(house.deps, DEFAULT_ORG_ID, CallId(record.call.call_id), changes)
            seen.append(overrides(session))
            session.end()

        house.script = script
        await house.hold(record)
    assert seen == [{}, {"name": "Bo"}]


async def test_a_conversation_that_knows_its_call_is_freed_with_it(tmp_path: Path) -> None:
    left: list[weakref.ref[ScriptedSession]] = []

    async def script(session: ScriptedSession) -> None:
        left.append(weakref.ref(session))
        session.end()

    async with open_house(tmp_path) as house:
        answered_by_asking(house)
        house.script = script
        record = await house.create()
        gc.disable()
        try:
            await house.hold(record)
            assert left[0]() is None
        finally:
            gc.enable()
