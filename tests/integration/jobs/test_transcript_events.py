"""`transcript_updated`: told while the call goes on, at each change of turn, and the last words for certain."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import Word
from retold.engine.timeline import ReplyStarted, UserSpeechStarted, UserTranscribed, WordsPlayed
from retold.errors import RecognitionFailed
from retold.ids import DEFAULT_ORG_ID
from support.call_house import ScriptedSession, open_house
from support.post import OK, Post, open_post
from support.stored import make_agent
from support.web_server import Answer, WebRequest, answer

pytestmark = pytest.mark.anyio

EVENTS = ["call_started", "transcript_updated", "call_ended"]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncGenerator[Post]:
    async with open_house(tmp_path) as house, open_post(house) as opened:
        yield opened


async def subscribe(post: Post, **changes: Any) -> None:
    """Have the house's agent told of, and with it the transcript."""
    house = post.house
    house.agent = make_agent(agent_id="agent_told", webhook_url=post.url, webhook_events=EVENTS, **changes)
    await house.store.agents.save(DEFAULT_ORG_ID, house.agent)


def user_says(session: ScriptedSession, text: str, at_ms: float) -> None:
    session.timeline.append(UserSpeechStarted(at_ms=at_ms, onset_ms=at_ms))
    words = (Word(text, at_ms, at_ms + 100),)
    session.timeline.append(UserTranscribed(at_ms=at_ms + 150, utterance=int(at_ms), words=words))


def agent_says(session: ScriptedSession, text: str, at_ms: float) -> None:
    session.timeline.append(ReplyStarted(at_ms=at_ms, response_id=int(at_ms)))
    words = (Word(text, at_ms, at_ms + 100),)
    session.timeline.append(WordsPlayed(at_ms=at_ms + 100, response_id=int(at_ms), words=words))


def transcripts(post: Post) -> list[str]:
    return [
        " / ".join(item["content"] for item in request.json["call"].get("transcript_with_tool_calls", []))
        for request in post.received
        if request.json["event"] == "transcript_updated"
    ]


async def test_it_is_told_when_somebody_else_takes_the_floor(post: Post) -> None:
    await subscribe(post)

    async def script(session: ScriptedSession) -> None:
        user_says(session, "one", 100)
        # The user's turn begins with nothing said yet; the agent's with what the user has said.
        agent_says(session, "two", 1_000)
        await post.until(lambda: transcripts(post)[-1:] == ["one / two"] or transcripts(post)[-1:] == ["one"])
        user_says(session, "three", 2_000)
        await post.until(lambda: transcripts(post)[-1:] != ["one"])
        session.end()

    post.house.script = script
    await post.house.hold(await post.house.create())
    await post.until(lambda: post.told()[-1:] == ["call_ended"])
    told = transcripts(post)
    assert told[-1] == "one / two / three"
    assert post.told()[0] == "call_started"
    assert post.told()[-2:] == ["transcript_updated", "call_ended"]
    last = post.received[-2].json
    assert last["call"]["transcript"] == "User: one\nAgent: two\nUser: three\n"
    assert "data" not in last
    assert post.received[1].json["call"]["call_status"] == "ongoing"


async def test_a_slow_receiver_gets_the_newest_and_never_misses_the_last(post: Post) -> None:
    await subscribe(post)
    post.respond = failing_for("transcript_updated")

    async def script(session: ScriptedSession) -> None:
        for number in range(5):
            user_says(session, f"u{number}", number * 1_000 + 100)
            agent_says(session, f"a{number}", number * 1_000 + 500)
            await post.until(lambda number=number: f"u{number}" in "".join(transcripts(post)))
        session.end()

    post.house.script = script
    await post.house.hold(await post.house.create())
    rows = await post.until_rows(lambda rows: rows[-1]["state"] == "delivered" and len(rows) >= 3)
    waiting = [row for row in rows if row["state"] == "pending"]
    # Of all that failed, the last words alone are tried again.
    assert [row["event"] for row in waiting] == ["transcript_updated"]
    post.respond = lambda _: OK
    await post.pass_ms(2_000)
    await post.until_rows(lambda rows: all(row["state"] != "pending" for row in rows))
    assert transcripts(post)[-1].endswith("u4 / a4")


async def test_what_may_not_be_stored_is_told_from_memory(post: Post) -> None:
    await subscribe(post, data_storage_setting="basic_attributes_only")

    async def script(session: ScriptedSession) -> None:
        user_says(session, "quetzal", 100)
        agent_says(session, "coatl", 1_000)
        await post.until(lambda: "quetzal" in "".join(transcripts(post)))
        assert b"quetzal" not in (post.house.store.data_dir / "retold.db-wal").read_bytes()
        session.end()

    post.house.script = script
    await post.house.hold(await post.house.create())
    await post.until(lambda: post.told()[-1:] == ["call_ended"])


async def test_who_has_not_asked_for_it_is_not_told(post: Post) -> None:
    await subscribe(post)
    post.house.agent = make_agent(agent_id="agent_quiet", webhook_url=post.url)
    await post.house.store.agents.save(DEFAULT_ORG_ID, post.house.agent)

    async def script(session: ScriptedSession) -> None:
        user_says(session, "one", 100)
        agent_says(session, "two", 1_000)
        session.end()

    post.house.script = script
    await post.house.hold(await post.house.create())
    await post.until_states("delivered", "delivered")
    assert post.told() == ["call_started", "call_ended"]


async def test_what_ends_a_call_is_still_its_reason(post: Post) -> None:
    await subscribe(post)

    async def script(session: ScriptedSession) -> None:
        user_says(session, "one", 100)
        raise RecognitionFailed("made to fail")

    post.house.script = script
    finished = await post.house.hold(await post.house.create())
    assert finished.call.disconnection_reason is DisconnectionReason.ERROR_ASR
    await post.until(lambda: post.told()[-1:] == ["call_ended"])


def failing_for(event: str) -> Callable[[WebRequest], Answer]:
    return lambda request: answer({}, 500) if request.json["event"] == event else OK
