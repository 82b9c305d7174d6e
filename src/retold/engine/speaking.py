"""Replies to sound: text to chunks, chunks to speech, speech to the caller at the pace it is heard.

The call clock's sample count is the only pace: a frame is sent when it lies less than the transport's lead ahead of
now, and its place on the call clock is where it goes on tape and into the ledger. While the connection is
cut, nothing is sent: the agent waits with what it has to say, because nobody would hear it.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio

from retold.audio import pcm as pcm_tools
from retold.audio.resample import StreamResampler
from retold.engine import timeline as t
from retold.engine.actions import ReplyRef
from retold.engine.chunks import Chunker
from retold.engine.leg import Leg, closing
from retold.engine.playout import PlannedWord, Playout
from retold.engine.turn_events import ReplyDone, ReplyReady, ReplyVoid
from retold.errors import SynthesisFailed
from retold.ports import AudioFrame, Say, Spoken, TextToSpeech, VoiceSettings

FRAME_MS = 40
"""Agent audio per message: half the messages of 20 ms frames, and still well inside the lead."""
DUCK_GAIN = 0.25
"""The agent's voice under the caller's: -12 dB."""
MAX_AHEAD_MS = 4000.0
"""Audio synthesised ahead of playing; more would be thrown away at an interruption."""
TTS_TIMEOUT_S = 10.0
"""Longest wait for the next piece of speech."""
WORDS_EVERY_MS = 250.0
"""How often heard words are written to the timeline while the agent speaks."""
RECONNECT_POLL_S = 0.05
"""How soon the agent goes on after a cut connection came back."""
MAX_QUEUED_CHUNKS = 256
"""Chunks waiting for speech; when full, reading from the responder waits."""


@dataclass(slots=True)
class Reply:
    """One reply while it is being made and played."""

    ref: ReplyRef
    playout: Playout
    chunker: Chunker = field(default_factory=Chunker)
    chunks_due: int = 0
    is_text_complete: bool = False
    is_text_interruptible: bool = True
    """Whether the text that came last may be interrupted."""
    text_voice: VoiceSettings | None = None
    """The voice that the text that came last is to be spoken in."""
    is_interruptible: bool = True
    """Whether the audio that is played may be interrupted."""
    interruptible_from: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    """Reply samples from which on the audio may be interrupted, or not."""
    ends_call: bool = False
    is_over: bool = False
    """Cut, void or played to the end: nothing more of it may sound."""
    is_asked: bool = False
    is_received: bool = False
    is_started: bool = False
    scope: anyio.CancelScope | None = None


@dataclass(frozen=True, slots=True)
class _Chunk:
    reply: Reply
    text: str
    is_interruptible: bool
    voice: VoiceSettings


class Speaking:
    """The agent's mouth in one call. `synthesise()` and `pace()` run as tasks of the session."""

    def __init__(
        self,
        leg: Leg,
        *,
        tts: TextToSpeech,
        voice: VoiceSettings,
        on_words: Callable[[t.WordsPlayed], None],
    ) -> None:
        self._transport = leg.transport
        self._tape = leg.tape
        self._timeline = leg.timeline
        self._clock = leg.clock
        self._post = leg.post
        self._tts = tts
        self.voice = voice
        """Of the text that comes next; what came before keeps the voice it came with."""
        self._on_words = on_words
        self._rate = leg.transport.sample_rate
        self._reply: Reply | None = None
        self._is_playing = False
        self._gain = 1.0
        self._sent = 0
        self._words_due_ms = 0.0
        self._wake = anyio.Event()
        self._room = anyio.Event()
        self._queue, self._queue_out = anyio.create_memory_object_stream[_Chunk](MAX_QUEUED_CHUNKS)

    # --- text in ------------------------------------------------------------------------------

    async def offer(self, ref: ReplyRef, say: Say) -> None:
        """Take text of a reply; a reply not seen before takes the place of the one before."""
        reply = self._reply
        if reply is None or reply.ref != ref:
            await self.cut("another reply takes its place")
            reply = self._reply = Reply(ref, Playout(self._rate))
        if reply.is_over or reply.is_text_complete:
            return
        reply.ends_call = reply.ends_call or say.end_call
        chunks = self._chunks_of(reply, say)
        if chunks and not reply.playout.texts:
            self._mark(t.ReplyFirstChunk, ref)
        reply.playout.texts.extend(chunk.text for chunk in chunks)
        reply.chunks_due += len(chunks)
        for chunk in chunks:
            await self._queue.send(chunk)
        self._complete(reply)

    def _chunks_of(self, reply: Reply, say: Say) -> list[_Chunk]:
        """The chunks that are complete with this text. Whether it may be interrupted holds for this text only."""
        may_interrupt, voice, last_voice = not say.no_interruption_allowed, self.voice, reply.text_voice or self.voice
        is_other = may_interrupt != reply.is_text_interruptible or voice != last_voice
        before = reply.chunker.flush() if is_other else []
        chunks = [_Chunk(reply, text, reply.is_text_interruptible, last_voice) for text in before]
        reply.is_text_interruptible, reply.text_voice = may_interrupt, voice
        texts = reply.chunker.feed(say.text)
        if say.is_complete:
            texts += reply.chunker.flush()
            reply.is_text_complete = True
        return chunks + [_Chunk(reply, text, may_interrupt, voice) for text in texts]

    def is_making(self, ref: ReplyRef) -> bool:
        """Whether this reply is the one being made or played."""
        return self._reply is not None and self._reply.ref == ref and not self._reply.is_over

    def _complete(self, reply: Reply) -> None:
        """Notice that no more audio will come."""
        if reply.is_over or not reply.is_text_complete or reply.chunks_due:
            return
        reply.playout.is_complete = True
        if reply.playout.added == 0:
            reply.is_over = True
            self._post(ReplyVoid(self._clock.now_ms(), reply.ref, reply.ends_call))
        self._wake.set()

    # --- text to speech -----------------------------------------------------------------------

    async def synthesise(self) -> None:
        """Speak the queued chunks one by one."""
        async for chunk in self._queue_out:
            reply = chunk.reply
            await self._has_room(reply)
            if not reply.is_over:
                reply.interruptible_from.append((reply.playout.added, chunk.is_interruptible))
                await self._speak(reply, chunk)
            reply.chunks_due -= 1
            self._complete(reply)

    def close(self) -> None:
        """Free the queue, once the tasks have ended."""
        self._queue.close()
        self._queue_out.close()

    async def _has_room(self, reply: Reply) -> None:
        while not reply.is_over and reply.playout.remaining > MAX_AHEAD_MS * self._rate / 1000:
            self._room = anyio.Event()
            await self._room.wait()

    async def _speak(self, reply: Reply, chunk: _Chunk) -> None:
        if not reply.is_asked:
            reply.is_asked = True
            self._mark(t.SpeechRequested, reply.ref)
        base, resampler, asked_ms, first_ms = reply.playout.added, None, self._clock.now_ms(), 0.0
        with anyio.CancelScope() as reply.scope:
            async with closing(self._tts.stream(chunk.text, chunk.voice)) as stream:
                async for spoken in self._within_deadline(stream):
                    first_ms = first_ms or self._clock.now_ms() - asked_ms
                    resampler = resampler or StreamResampler(spoken.sample_rate, self._rate)
                    self._add(reply, resampler.feed(spoken.pcm), self._planned(spoken, base))
            if resampler is not None:
                self._add(reply, resampler.flush(), ())
        audio_ms = (reply.playout.added - base) * 1000 / self._rate
        self._note(
            f"tts: {len(chunk.text)} characters, first audio after {first_ms:.0f} ms, {audio_ms:.0f} ms of audio"
        )

    async def _within_deadline(self, stream: AsyncIterator[Spoken]) -> AsyncIterator[Spoken]:
        while True:
            try:
                with anyio.fail_after(TTS_TIMEOUT_S):
                    spoken = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise SynthesisFailed(f"text to speech gave nothing for {TTS_TIMEOUT_S:.0f} s") from None
            yield spoken

    def _planned(self, spoken: Spoken, base: int) -> tuple[PlannedWord, ...]:
        per_ms = self._rate / 1000
        return tuple(
            PlannedWord(word.text, base + round(word.start_ms * per_ms), base + round(word.end_ms * per_ms))
            for word in spoken.words
        )

    def _add(self, reply: Reply, pcm: bytes, words: tuple[PlannedWord, ...]) -> None:
        if reply.is_over:
            return
        reply.playout.add(pcm, words)
        if pcm and not reply.is_received:
            reply.is_received = True
            self._mark(t.SpeechReceived, reply.ref)
            reply.is_interruptible = reply.interruptible_from[0][1]
            self._post(ReplyReady(self._clock.now_ms(), reply.ref, reply.is_interruptible))
        self._wake.set()

    # --- speech out ---------------------------------------------------------------------------

    def play(self, ref: ReplyRef) -> None:
        """Start playing a reply that is ready."""
        if self._reply is not None and self._reply.ref == ref and not self._reply.is_over:
            self._is_playing, self._gain = True, 1.0
            self._wake.set()

    def duck(self) -> None:
        """Speak more quietly."""
        self._gain = DUCK_GAIN

    def unduck(self) -> None:
        """Speak at full voice."""
        self._gain = 1.0

    async def hold(self) -> None:
        """Stop at once; the rest is kept, from the word that is cut off now."""
        if self._reply is not None and self._is_playing:
            self._is_playing = False
            await self._clear(self._reply)

    def resume(self) -> None:
        """Go on after `hold()`."""
        if self._reply is not None:
            self.play(self._reply.ref)

    async def cut(self, reason: str, ref: ReplyRef | None = None) -> None:
        """Drop the reply (only `ref`, if given): what was heard is settled here and for good."""
        reply = self._reply
        if reply is None or reply.is_over or (ref is not None and reply.ref != ref):
            return
        reply.is_over = True
        if reply.scope is not None:
            reply.scope.cancel()
        if self._is_playing:
            self._is_playing = False
            await self._clear(reply)
        if reply.is_started or reply.playout.texts:
            self._ended(reply, was_interrupted=True)
        self._room.set()
        if reason and not reply.is_started and reply.playout.texts:
            self._note(f"reply dropped before it was heard: {reason}")

    async def _clear(self, reply: Reply) -> None:
        """What lies ahead of now is taken back: from the caller's buffer, the ledger and the tape."""
        now = self._now_sample()
        self._settle_words(reply, now, is_cut=True)
        if self._sent > now:
            self._tape.write_agent(now, bytes(2 * (self._sent - now)))
            self._sent = now
            reply.playout.hold_at(now)
            await self._transport.clear()

    async def pace(self) -> None:
        """Send frames as their time comes, note what was heard, and say when a reply is done."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._is_playing and self._reply is not None:
                reply = self._reply
                await self._send_due(reply)
                self._room.set()
                if reply is not self._reply or not self._is_playing:
                    break
                self._notice(reply)
                await self._sleep(reply)

    async def _send_due(self, reply: Reply) -> None:
        frame_samples = self._rate * FRAME_MS // 1000
        while self._is_playing and reply is self._reply and reply.playout.remaining and self._transport.is_connected:
            now = self._now_sample()
            start = max(self._sent, now)
            if start + frame_samples > now + max(frame_samples, self._transport.lead_ms * self._rate // 1000):
                return
            played = reply.playout.take(frame_samples, start)
            self._sent = start + len(played.pcm) // 2
            pcm = pcm_tools.gain(played.pcm, self._gain)
            self._tape.write_agent(start, pcm)
            self._note_start(reply, pcm, start)
            await self._transport.play(AudioFrame(pcm, self._rate), " ".join(played.starts))

    def _note_start(self, reply: Reply, pcm: bytes, start: int) -> None:
        if reply.is_started:
            return
        audible = pcm_tools.first_audible(pcm)
        if audible is None:
            return
        reply.is_started = True
        at_ms = (start + audible) * 1000 / self._rate
        ref = reply.ref
        self._timeline.append(t.ReplyStarted(at_ms=at_ms, response_id=ref.response_id, interrupt_id=ref.interrupt_id))
        self._words_due_ms = at_ms + WORDS_EVERY_MS

    def _notice(self, reply: Reply) -> None:
        now = self._now_sample()
        may_interrupt = [flag for start, flag in reply.interruptible_from if start < reply.playout.taken][-1:]
        if may_interrupt and may_interrupt[0] != reply.is_interruptible:
            reply.is_interruptible = may_interrupt[0]
            self._post(ReplyReady(self._clock.now_ms(), reply.ref, reply.is_interruptible))
        is_done = reply.playout.is_over and now >= self._sent
        if is_done or self._clock.now_ms() >= self._words_due_ms:
            self._words_due_ms = self._clock.now_ms() + WORDS_EVERY_MS
            self._settle_words(reply, now, is_cut=is_done)
        if is_done:
            self._is_playing, reply.is_over = False, True
            self._ended(reply, was_interrupted=False)
            self._post(ReplyDone(self._clock.now_ms(), reply.ref, reply.ends_call))

    async def _sleep(self, reply: Reply) -> None:
        """Until the next frame is due, or the reply is played out, or new audio comes."""
        if not self._is_playing:
            return
        if not self._transport.is_connected:
            await anyio.sleep(RECONNECT_POLL_S)
            return
        if reply.playout.remaining:
            wake_sample = self._sent + self._rate * FRAME_MS // 1000 - self._transport.lead_ms * self._rate // 1000
        else:
            wake_sample = self._sent
        pause_ms = max(1.0, wake_sample * 1000 / self._rate - self._clock.now_ms())
        if reply.playout.is_complete:
            await anyio.sleep(min(pause_ms, WORDS_EVERY_MS) / 1000)
            return
        with anyio.move_on_after(min(pause_ms, WORDS_EVERY_MS) / 1000):
            await self._wake.wait()
        self._wake = anyio.Event()

    # --- the record ---------------------------------------------------------------------------

    def _settle_words(self, reply: Reply, call_sample: int, *, is_cut: bool) -> None:
        words = reply.playout.heard_until(call_sample, is_cut=is_cut)
        if words:
            event = t.WordsPlayed(
                at_ms=self._clock.now_ms(),
                response_id=reply.ref.response_id,
                interrupt_id=reply.ref.interrupt_id,
                words=words,
            )
            self._timeline.append(event)
            self._on_words(event)

    def _ended(self, reply: Reply, *, was_interrupted: bool) -> None:
        self._timeline.append(
            t.ReplyEnded(
                at_ms=self._clock.now_ms(),
                response_id=reply.ref.response_id,
                interrupt_id=reply.ref.interrupt_id,
                was_interrupted=was_interrupted,
                unheard=reply.playout.unheard(),
            )
        )

    def _mark(self, kind: type[t.ReplyFirstChunk | t.SpeechRequested | t.SpeechReceived], ref: ReplyRef) -> None:
        self._timeline.append(
            kind(at_ms=self._clock.now_ms(), response_id=ref.response_id, interrupt_id=ref.interrupt_id)
        )

    def _note(self, text: str) -> None:
        self._timeline.append(t.Noted(at_ms=self._clock.now_ms(), text=text))

    def _now_sample(self) -> int:
        return int(self._clock.now_ms() * self._rate / 1000)
