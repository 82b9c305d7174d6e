"""One conversation from connect to hang-up; the only module of the engine that starts tasks.

transport.listen() -> hearing --events--> [ one inbox ] -> step(state, event, rules) -> (state, actions)
       '-> tape                                ^                                            |
             responder -> chunks -> speaking -> transport.play()  <-- Play / Hold / Resume / Cut
                                               '-- ReplyReady / ReplyDone
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace

import anyio
from structlog.stdlib import get_logger

from retold.clock import CallClock
from retold.domain.reasons import DisconnectionReason, reason_for
from retold.engine import actions as do
from retold.engine import timeline as t
from retold.engine.act_events import event_of
from retold.engine.hearing import Hearing
from retold.engine.inbox import Inbox
from retold.engine.leg import Leg, closing
from retold.engine.rules import Rules, changed
from retold.engine.speaking import Speaking
from retold.engine.telling import Telling
from retold.engine.transcript_fold import is_shown
from retold.engine.turn_deadlines import deadline
from retold.engine.turn_events import InterruptBegun, ReplyTriggered, Stopped, Tick, ToolEnded, ToolStarted
from retold.engine.turns import Phase, State, step
from retold.ports import (
    Act,
    ChangeAgent,
    ChangeRules,
    ForwardMetadata,
    HangUp,
    NodeEntered,
    Responder,
    Say,
    Tape,
    ToolInvoked,
    ToolReturned,
    Transport,
    Voices,
    VoiceSettings,
)

HEARTBEAT_MS = 1000.0
"""The journal learns this often that the call is alive."""
CLOSING_TIMEOUT_S = 2.0
"""Longest wait for the end to be in the journal before the call is taken down."""
LAST_WORDS_TIMEOUT_S = 1.5
"""Longest wait for the final words of a caller who was speaking at the end."""
GOODBYE_TIMEOUT_S = 0.5
"""Longest wait for each goodbye."""


@dataclass(slots=True, kw_only=True)
class CallSession:
    """Runs one call over one transport; everything that happens is in `timeline` afterwards.

    CallConnected is the caller's to append before `run()`. The tape's rate is `transport.sample_rate`.
    """

    transport: Transport
    voices: Voices
    responder: Responder
    timeline: t.Timeline
    tape: Tape
    clock: CallClock
    rules: Rules
    voice: VoiceSettings
    language: str
    _state: State = field(default_factory=State, init=False)
    _interrupt: do.ReplyRef | None = field(default=None, init=False)
    _inbox: Inbox = field(default_factory=Inbox, init=False)
    _hearing: Hearing = field(init=False)
    _speaking: Speaking = field(init=False)
    _telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        # No part may hold the session: see inbox.py.
        leg = Leg(self.transport, self.tape, self.timeline, self.clock, self._inbox.post)
        self._telling = telling = Telling(leg, self.responder)
        self._hearing = Hearing(leg, vad=self.voices.vad(), stt=self.voices.stt, on_partial=telling.partial)
        self._speaking = Speaking(leg, tts=self.voices.tts, voice=self.voice, on_words=lambda _event: telling.look())

    async def run(self) -> None:
        """Hold the conversation until it ends; the first EndIntended in the timeline says why."""
        try:
            async with anyio.create_task_group() as tasks:
                heard_all = anyio.Event()
                tasks.start_soon(self._guard, self._listen)
                tasks.start_soon(self._guard, self._transcribe, heard_all.set)
                tasks.start_soon(self._guard, self._speaking.synthesise)
                tasks.start_soon(self._guard, self._speaking.pace)
                tasks.start_soon(self._guard, self._respond)
                tasks.start_soon(self._guard, self.responder.work)
                tasks.start_soon(self._guard, self._telling.run)
                try:
                    await self._take_turns()
                except Exception as error:  # noqa: BLE001 - the call is the border, as in _guard
                    self._end(self._reason_for(error), str(error) or type(error).__name__)
                finally:
                    with anyio.CancelScope(shield=True):
                        await self._wind_down(heard_all)
                    tasks.cancel_scope.cancel()
        finally:
            self._inbox.close()
            self._speaking.close()

    def stop(self, reason: DisconnectionReason, detail: str) -> None:
        """End the call from outside: stop-call, drain."""
        self._inbox.post(Stopped(self.clock.now_ms(), reason, detail))

    def look(self) -> None:
        """Something was added to the timeline from outside: have it told."""
        self._telling.look()

    def trigger(self) -> None:
        """Have the agent speak, if nobody else does."""
        self._inbox.post(ReplyTriggered(self.clock.now_ms()))

    # --- turn taking --------------------------------------------------------------------------

    async def _take_turns(self) -> None:
        next_heartbeat_ms = HEARTBEAT_MS
        while self._state.phase is not Phase.CLOSED:
            due_ms = min(deadline(self._state, self.rules), next_heartbeat_ms, self._no_audio_ms())
            event = await self._inbox.next(due_ms - self.clock.now_ms())
            now_ms = self.clock.now_ms()
            if now_ms >= next_heartbeat_ms:
                self.timeline.append(t.Heartbeat(at_ms=now_ms))
                next_heartbeat_ms = now_ms + HEARTBEAT_MS
            self._hearing.check_stall()
            if now_ms >= self._no_audio_ms():
                event = Stopped(now_ms, DisconnectionReason.ERROR_NO_AUDIO_RECEIVED, "no audio came from the caller")
            if self._inbox.is_overrun:
                event = Stopped(now_ms, DisconnectionReason.ERROR_RETELL, "turn taking fell behind; lower the load")
            self._state, wanted = step(self._state, event or Tick(now_ms), self.rules)
            for action in wanted:
                await self._perform(action)
            self._telling.look()

    def _no_audio_ms(self) -> float:
        return self._hearing.last_audio_ms + self.rules.no_audio_timeout_ms

    async def _perform(self, action: do.Action) -> None:  # noqa: C901 - one arm per action
        match action:
            case do.Ask():
                await self._ask(action)
            case do.Play(reply=reply):
                self._speaking.play(reply)
            case do.Duck():
                self._speaking.duck()
            case do.Unduck():
                self._speaking.unduck()
            case do.Hold():
                await self._speaking.hold()
            case do.Resume():
                self._speaking.resume()
            case do.Cut(reply=reply, reason=reason):
                await self._speaking.cut(reason, reply)
            case do.Announce(turn=turn):
                self._telling.turn(turn)
            case do.MarkUnintelligible():
                self._hearing.mark_unintelligible()
            case do.Decide(decision=decision, reason=reason):
                self.timeline.append(t.TurnDecided(at_ms=self.clock.now_ms(), decision=decision, reason=reason))
            case do.End(reason=reason, detail=detail):
                self._end(reason, detail)
                await self._telling.committed(CLOSING_TIMEOUT_S)

    async def _ask(self, action: do.Ask) -> None:
        self._hearing.commit()
        self.timeline.append(
            t.ReplyRequested(
                at_ms=self.clock.now_ms(),
                response_id=action.response_id,
                kind=action.kind.value,
                speech_end_ms=action.speech_end_ms,
            )
        )
        await self._telling.ask(action)

    # --- tasks --------------------------------------------------------------------------------

    async def _guard(self, task: Callable[[], Awaitable[None]], done: Callable[[], None] | None = None) -> None:
        """Run a part of the call; what it cannot cope with ends the call with the reason that fits."""
        try:
            await task()
        except Exception as error:  # noqa: BLE001 - the call is the border: any bug ends this call and no other
            self._inbox.post(Stopped(self.clock.now_ms(), self._reason_for(error), str(error) or type(error).__name__))
        except anyio.get_cancelled_exc_class():
            # The task ends here either way, and only with its call. Raised further, the error and anyio's frames that
            # see it would hold each other, and with them the whole call, until the cycle collector comes by.
            pass
        finally:
            if done is not None:
                done()

    def _reason_for(self, error: Exception) -> DisconnectionReason:
        reason = reason_for(error)
        if reason is DisconnectionReason.ERROR_UNKNOWN:
            get_logger().exception("call_part_failed", exc_info=error)
        return reason

    def _end(self, reason: DisconnectionReason, detail: str) -> None:
        self.timeline.append(t.EndIntended(at_ms=self.clock.now_ms(), reason=reason, detail=detail))

    async def _listen(self) -> None:
        await self.transport.listen(self._hearing.take)
        self._inbox.post(Stopped(self.clock.now_ms(), DisconnectionReason.USER_HANGUP, "the caller left"))

    async def _transcribe(self) -> None:
        await self._hearing.transcribe(self.language)

    async def _respond(self) -> None:
        async with closing(self.responder.acts()) as acts:
            async for act in acts:
                await self._take(act)

    async def _take(self, act: Act) -> None:
        now_ms = self.clock.now_ms()
        self._record(act, now_ms)
        match act:
            case Say():
                await self._say(act)
            case ForwardMetadata(metadata=metadata):
                await self.transport.send_event({"event_type": "metadata", "metadata": metadata})
            case ToolInvoked(type=str()):
                self._inbox.post(ToolStarted(now_ms, act.tool_call_id))
            case ToolReturned():
                self._inbox.post(ToolEnded(now_ms, act.tool_call_id))
            case NodeEntered():
                await self.transport.send_event({"event_type": "node_transition", **asdict(act)})
            case ChangeRules():
                self._change_rules(act)
            case ChangeAgent():
                self._change_agent(act)
            case HangUp():
                detail = "the LLM server closed its websocket with code 1000"
                self._inbox.post(Stopped(now_ms, DisconnectionReason.AGENT_HANGUP, detail))
            case _:
                pass

    def _record(self, act: Act, at_ms: float) -> None:
        event = event_of(act, at_ms)
        if event is None:
            return
        self.timeline.append(event)
        if is_shown(event):
            self._telling.look()

    def _change_rules(self, change: ChangeRules) -> None:
        self.rules = changed(self.rules, change)
        if change.voice_speed is not None:
            self._speaking.voice = replace(self._speaking.voice, speed=change.voice_speed)
        self._inbox.post(Tick(self.clock.now_ms()))

    def _change_agent(self, change: ChangeAgent) -> None:
        if change.voice is not None:
            self._speaking.voice = change.voice
        if change.rules is not None:
            self._change_rules(change.rules)
        if change.language is None or change.language == self.language:
            return
        if change.language.partition("-")[0].lower() in self.voices.languages:
            self.language = change.language
            self._hearing.change_language(change.language)
        else:
            self._note(f"{change.language} is not heard here; the caller is listened to in {self.language}")

    async def _say(self, say: Say) -> None:
        ref = self._reply_of(say)
        if ref is None:
            kind = "response" if say.interrupt_id is None else "interrupt"
            self._note(f"stale {kind} {say.response_id if say.interrupt_id is None else say.interrupt_id} dropped")
            return
        for kind, value in (("transfer to", say.transfer_number), ("digits to press", say.digit_to_press)):
            if value:
                self.timeline.append(
                    t.ResponderTraffic(
                        at_ms=self.clock.now_ms(), direction="note", text=f"{kind} {value}: not possible on this call"
                    )
                )
        await self._speaking.offer(ref, say)

    def _reply_of(self, say: Say) -> do.ReplyRef | None:
        """The live reply that a text belongs to; None when it is over."""
        if say.interrupt_id is None:
            ref = do.ReplyRef(say.response_id)
            is_overtaken = self._interrupt is not None and self._speaking.is_making(self._interrupt)
            return ref if ref == self._state.reply and not is_overtaken else None
        if self._interrupt is None or say.interrupt_id != self._interrupt.interrupt_id:
            self._interrupt = do.ReplyRef(self._state.next_response_id - 1, say.interrupt_id)
            self._inbox.post(InterruptBegun(self.clock.now_ms(), self._interrupt))
            return self._interrupt
        return self._interrupt if self._speaking.is_making(self._interrupt) else None

    # --- what others are told -----------------------------------------------------------------

    def _note(self, text: str) -> None:
        self.timeline.append(t.Noted(at_ms=self.clock.now_ms(), text=text))

    # --- the end ------------------------------------------------------------------------------

    async def _wind_down(self, heard_all: anyio.Event) -> None:
        """Settle what was said on both sides, then say goodbye; each step bounded."""
        ends = [event for event in self.timeline if isinstance(event, t.EndIntended)]
        if not ends:
            self._end(DisconnectionReason.ERROR_RETELL, "cancelled")
        reason = ends[0].reason if ends else DisconnectionReason.ERROR_RETELL
        for goodbye, timeout_s in (
            (lambda: self._speaking.cut("the call is over"), GOODBYE_TIMEOUT_S),
            (lambda: self._last_words(heard_all), LAST_WORDS_TIMEOUT_S),
            (lambda: self.transport.close(reason.value), GOODBYE_TIMEOUT_S),
            (self.responder.close, GOODBYE_TIMEOUT_S),
        ):
            with anyio.move_on_after(timeout_s):
                try:
                    await goodbye()
                except Exception:  # noqa: BLE001 - a goodbye that fails must not cost the record
                    get_logger().exception("goodbye_failed")
        self._hearing.keep_partial_words()
        await self._telling.committed(GOODBYE_TIMEOUT_S)

    async def _last_words(self, heard_all: anyio.Event) -> None:
        self._hearing.finish()
        await heard_all.wait()
