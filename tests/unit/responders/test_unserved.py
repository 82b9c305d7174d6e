"""An agent that this server cannot run says so, and its call ends with an honest reason."""

import anyio
import pytest

from retold.engine import timeline as t
from retold.errors import ModelLost
from retold.responders.unserved import Unserved
from support.dialogue import Dialogue

APOLOGY = "I am sorry, that cannot be. Goodbye."

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]


async def test_it_apologises_and_ends_the_call() -> None:
    call = Dialogue(mind=Unserved(ModelLost("there is no model for retell-llm"), APOLOGY))
    report = await call.run()
    assert call.lines() == [f"agent: {APOLOGY}"]
    assert (report.reason, report.detail[:26]) == ("error_retell", "there is no model for rete")
    assert "retell-llm" in call.log()


async def test_a_caller_who_speaks_on_is_not_kept_waiting() -> None:
    call = Dialogue(mind=Unserved(ModelLost("there is no model"), APOLOGY))
    call.user_says("Hello, is anybody there?", at_s=0.02)
    with anyio.fail_after(30):
        report = await call.run()
    assert report.reason == "error_retell"


async def test_a_caller_who_hangs_up_was_not_failed() -> None:
    call = Dialogue(mind=Unserved(ModelLost("there is no model"), APOLOGY))
    call.user_hangs_up(at_s=0.5)
    report = await call.run()
    assert report.reason == "user_hangup"
    assert not any(isinstance(event, t.EndIntended) and event.reason == "error_retell" for event in call.timeline)
