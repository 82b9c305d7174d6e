"""One joined call from its first to its last moment."""

from collections.abc import Awaitable

import anyio
from structlog.contextvars import bound_contextvars
from structlog.stdlib import get_logger

from retold.calls.call_agent import CallAgent, call_agent
from retold.calls.consequences import Audience, audience_of
from retold.calls.deps import CallParts, Deps, Session
from retold.calls.engines import NextAgent
from retold.calls.finish import end_unjoined, finish
from retold.calls.live import RETRY_MS, Course, LiveCall
from retold.calls.next_agent import next_agent
from retold.calls.speech_of import language_of, voice_of
from retold.calls.transcript_events import announced
from retold.clock import CallClock
from retold.crash import crash_point
from retold.domain.call import CallRecord
from retold.domain.flow_nodes import AgentSwapNode
from retold.domain.llm_tools import AgentSwap
from retold.domain.reasons import CallStatus, DisconnectionReason, reason_for
from retold.domain.webhook_events import Moment
from retold.engine.rules import rules_for
from retold.engine.timeline import CallConnected, EndIntended, Timeline
from retold.errors import RecognitionFailed, RetoldError, StorageBroken, StorageError
from retold.ids import CallId, OrgId
from retold.log import IS_UNSTORED
from retold.ports import Transport
from retold.storage.store import with_call

GOODBYE_TIMEOUT_S = 2.0
LAST_WORDS_S = 4.0
"""A conversation that is cancelled gets this long to be written down; after that recovery does it."""
SPEECH_TIMEOUT_S = 30.0
"""Longest wait of a call for the speech models of a server that has just started."""


async def run_call(record: CallRecord, transport: Transport, deps: Deps) -> CallRecord:
    """Hold a registered call that was joined; gives the finished record. The transport is closed in every case.

    Raises Conflict when the call is live already and Unavailable while draining: the transport is untouched then.
    Raises StorageError when the end cannot be written; recovery will.
    """
    is_unstored = not record.call.stores_sensitive_data
    with (
        bound_contextvars(call_id=record.call.call_id, agent_id=record.call.agent_id, **{IS_UNSTORED: is_unstored}),
        deps.live.seat(record, transport) as live,
    ):
        if not live.is_granted:
            return await _refuse(record, transport, deps)
        try:
            # Now: once the call has started, it needs nothing more of the database, which may go away meanwhile.
            who = await call_agent(deps.store, record)
            audience = await audience_of(deps.store, record, deps.archive.fallback_webhook)
            clock = CallClock(deps.clock)
            started = with_call(record, call_status=CallStatus.ONGOING, start_timestamp=clock.started_wall_ms)
            follows = audience.follows(Moment.STARTED, started, clock.started_wall_ms)
            is_started = await deps.store.start_call(CallId(record.call.call_id), clock.started_wall_ms, follows)
        except StorageError:
            deps.live.expect(record)
            await _close(transport, DisconnectionReason.ERROR_RETELL.value)
            raise
        if not is_started:
            await _close(transport, "the call is over")
            return await deps.store.find_call(None, CallId(record.call.call_id)) or record
        return await _converse(Conversation(started, who, live, clock, deps), audience)


class Conversation:
    """A call in progress and what is kept of it."""

    def __init__(
        self, record: CallRecord, who: CallAgent | RetoldError, live: LiveCall, clock: CallClock, deps: Deps
    ) -> None:
        call_id = CallId(record.call.call_id)
        is_kept = record.call.stores_sensitive_data
        self.who = who
        self.live = live
        self.clock = clock
        self.deps = deps
        self.timeline = Timeline(deps.store.journal(call_id), stores_sensitive_data=is_kept)
        self.tape = (deps.recorder.tape if is_kept else deps.recorder.sealed_tape)(call_id)
        self.course = Course(clock, self.timeline, self.tape)
        live.record, live.course = record, self.course

    @property
    def record(self) -> CallRecord:
        """The call as it is; who changes it in mid-call changes it in `live`."""
        return self.live.record

    def intend(self, reason: DisconnectionReason, detail: str) -> None:
        """Note why the call ends."""
        self.timeline.append(EndIntended(at_ms=self.clock.now_ms(), reason=reason, detail=detail))

    @property
    def intended(self) -> DisconnectionReason | None:
        """Why the call ends, None while it goes on."""
        return next((event.reason for event in self.timeline if isinstance(event, EndIntended)), None)


async def _converse(one: Conversation, audience: Audience) -> CallRecord:
    one.timeline.append(
        CallConnected(at_ms=0.0, wall_ms=one.clock.started_wall_ms, sample_rate=one.live.transport.sample_rate)
    )
    crash_point("connected_appended")
    get_logger().info("call_started")
    try:
        session = await _prepare(one)
        if session is not None:
            async with announced(one.live, one.course, audience, one.deps.store):
                await session.run()
    except Exception as error:  # noqa: BLE001 - the border of a call: whatever it was ends this call and no other
        if not isinstance(error, RetoldError):
            get_logger().exception("call_failed")
        one.intend(reason_for(error), str(error) or type(error).__name__)
    except anyio.get_cancelled_exc_class():
        with anyio.move_on_after(one.deps.live.left_s(LAST_WORDS_S), shield=True):
            await _write_down(one)
        raise
    return await _write_down(one)


async def _prepare(one: Conversation) -> Session | None:
    """Everything a conversation needs; None when the call was stopped meanwhile. Raises CallFailed and NotFound."""
    with one.live.preparing:
        await _speech_ready(one.deps)
        return _session(one)
    if one.live.stopped is not None:
        one.intend(*one.live.stopped)
    return None


async def _speech_ready(deps: Deps) -> None:
    try:
        with anyio.fail_after(SPEECH_TIMEOUT_S):
            await deps.speech_ready()
    except TimeoutError as error:
        raise RecognitionFailed(
            f"the speech models were not loaded within {SPEECH_TIMEOUT_S:g} s; wait until /health/ready says that"
            " speech is ready, and look at the server's load"
        ) from error


def _session(one: Conversation) -> Session:
    deps, who, live = one.deps, one.who, one.live
    if isinstance(who, RetoldError):
        raise who
    agent, clock, org_id = who.agent, one.clock, OrgId(one.record.org_id)

    def another(swap: AgentSwap | AgentSwapNode) -> Awaitable[NextAgent]:
        return next_agent(deps, org_id, swap, now_ms=clock.now_ms())

    session = deps.session(
        transport=live.transport,
        voices=deps.voices,
        responder=deps.responder(CallParts(lambda: live.record, agent, who.engine, clock, another)),
        timeline=one.timeline,
        tape=one.tape,
        clock=one.clock,
        rules=rules_for(agent, one.record, no_audio_timeout_ms=deps.settings.no_audio_timeout_ms),
        voice=voice_of(agent, deps),
        language=language_of(agent),
    )
    live.attach(session)
    return session


async def _write_down(one: Conversation) -> CallRecord:
    """Close everything and finish; while the disk is full, as often as it takes. Raises StorageBroken."""
    # The next caller may talk, however long this recording takes.
    await one.live.hang_up()
    if one.intended is None:
        one.intend(DisconnectionReason.ERROR_RETELL, "the server is going down")
    goodbye_s = one.deps.live.left_s(GOODBYE_TIMEOUT_S)
    await _close(one.live.transport, (one.intended or DisconnectionReason.ERROR_RETELL).value, goodbye_s)
    await one.tape.close()
    crash_point("session_over")
    while True:
        try:
            finished = await finish(
                one.record,
                list(one.timeline),
                one.deps.archive,
                is_recording_complete=one.tape.is_complete,
                sealed=one.tape.sealed,
            )
        except StorageBroken:
            raise
        except StorageError as error:
            get_logger().warning("call_end_delayed", error=str(error))
            await anyio.sleep(RETRY_MS / 1000)
        else:
            reason = finished.call.disconnection_reason
            get_logger().info("call_ended", reason=reason and reason.value, duration_ms=finished.call.duration_ms)
            return finished


async def _refuse(record: CallRecord, transport: Transport, deps: Deps) -> CallRecord:
    reason = DisconnectionReason.CONCURRENCY_LIMIT_REACHED
    try:
        ended = await end_unjoined(record, reason, deps.clock.wall_ms(), deps.archive)
        return ended or await deps.store.find_call(None, CallId(record.call.call_id)) or record
    except StorageError:
        deps.live.expect(record)
        raise
    finally:
        await _close(transport, reason.value)


async def _close(transport: Transport, reason: str, timeout_s: float = GOODBYE_TIMEOUT_S) -> None:
    with anyio.move_on_after(timeout_s, shield=True):
        try:
            await transport.close(reason)
        except Exception:  # noqa: BLE001 - a goodbye that fails must not cost the record
            get_logger().exception("goodbye_failed")
