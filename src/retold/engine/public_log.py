"""The public log: one readable line per event, with call time and wall time.

Retell's page names the parts (LLM websocket traffic both ways, latency of each turn); the line format is ours and
is described in docs/reference/public-log.md.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.report import LatencyFold, ReplyTimes

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), 127, 0x85)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def public_log(events: Iterable[t.AnyEvent], started_wall_ms: int) -> Iterator[str]:
    """The lines of the log, without line ends; `started_wall_ms` is when the call connected."""
    latency = LatencyFold()
    for event in events:
        latency.apply(event)
        for text in _texts(event, latency):
            # One event is one line, whatever a peer put into it.
            line = text.translate(_ESCAPED)
            yield f"{_call_time(event.at_ms)} {_wall_time(started_wall_ms + event.at_ms)} {line}"


def _call_time(at_ms: float) -> str:
    minutes, rest_ms = divmod(max(0, round(at_ms)), 60_000)
    return f"[{minutes:02d}:{rest_ms // 1000:02d}.{rest_ms % 1000:03d}]"


def _wall_time(wall_ms: float) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _texts(event: t.AnyEvent, latency: LatencyFold) -> Iterator[str]:
    match event:
        case t.ResponderTraffic(direction=direction, text=text):
            yield f"llm {direction}: {text}"
        case t.ReplyStarted(response_id=response_id, interrupt_id=interrupt_id):
            yield f"agent starts speaking ({_reply(response_id, interrupt_id)})"
            if interrupt_id is None:
                yield from _turn_latency(response_id, latency.replies[response_id])
        case t.Heartbeat():
            return
        case _:
            yield _speech_text(event) or _api_text(event) or _mind_text(event) or _plain_text(event)


def _speech_text(event: t.AnyEvent) -> str:
    match event:
        case t.UserSpeechStarted(onset_ms=onset_ms):
            return f"user starts speaking (since {_call_time(onset_ms)})"
        case t.UserSpeechEnded(speech_end_ms=speech_end_ms):
            return f"user stops speaking (since {_call_time(speech_end_ms)})"
        case t.UserTranscribed(words=words, lag_ms=lag_ms, is_unintelligible=is_unintelligible):
            heard = _quoted(words) if words else ("(unintelligible audio)" if is_unintelligible else "no words")
            return f"user words: {heard} (asr lag {lag_ms:.0f} ms)"
        case t.WordsPlayed(words=words, response_id=response_id, interrupt_id=interrupt_id):
            return f"agent words heard ({_reply(response_id, interrupt_id)}): {_quoted(words)}"
        case t.ReplyEnded(was_interrupted=was_interrupted, unheard=unheard):
            ending = "interrupted" if was_interrupted else "complete"
            rest = f"; intended but not heard: {unheard!r}" if unheard else ""
            return f"agent stops speaking ({_reply(event.response_id, event.interrupt_id)}): {ending}{rest}"
        case _:
            return ""


def _api_text(event: t.AnyEvent) -> str:
    match event:
        case t.ContextInjected(text=text):
            return f"api: context injected: {text}"
        case t.CallOverridden(fields=fields):
            return f"api: {', '.join(fields)} overridden"
        case _:
            return ""


def _mind_text(event: t.AnyEvent) -> str:  # noqa: PLR0911 - one arm per event
    match event:
        case t.ToolCallStarted(tool_call_id=tool_call_id, name=name, arguments=arguments):
            return f"tool {name} invoked ({tool_call_id}): {arguments}"
        case t.ToolCallEnded(tool_call_id=tool_call_id, content=content, successful=successful):
            outcome = {True: "succeeded", False: "failed", None: "returned"}[successful]
            return f"tool {outcome} ({tool_call_id}): {content}"
        case t.ModelUsed(input_tokens=input_tokens, output_tokens=output_tokens):
            return f"model: {input_tokens} tokens read, {output_tokens} written"
        case t.VariablesCollected(values=values):
            return "variables: " + ", ".join(f"{name} = {value!r}" for name, value in values.items())
        case t.NodeEntered(former_node_name=former, new_node_name=new, transition_type=kind):
            return f"node: from {former!r} to {new!r} ({kind})"
        case t.StateEntered(former_state_name=former, new_state_name=new):
            return f"state: from {former!r} to {new!r}"
        case t.AgentChanged(agent_id=agent_id, agent_version=version, agent_name=name):
            return f"agent: {agent_id} version {version}{f' ({name})' if name else ''} takes over"
        case _:
            return ""


def _plain_text(event: t.AnyEvent) -> str:  # noqa: PLR0911 - one arm per event
    match event:
        case t.CallConnected(sample_rate=sample_rate):
            return f"call connected, audio at {sample_rate} Hz"
        case t.TurnDecided(decision=decision, reason=reason):
            return f"turn: {decision} because {reason}"
        case t.ReplyRequested(response_id=response_id, kind=kind):
            return f"{kind} {response_id}"
        case t.ReplyFirstChunk(response_id=response_id, interrupt_id=interrupt_id):
            return f"first words for {_reply(response_id, interrupt_id)} arrived"
        case t.SpeechRequested(response_id=response_id, interrupt_id=interrupt_id):
            return f"tts: asked for {_reply(response_id, interrupt_id)}"
        case t.SpeechReceived(response_id=response_id, interrupt_id=interrupt_id):
            return f"tts: first audio of {_reply(response_id, interrupt_id)}"
        case t.RoundTripMeasured(rtt_ms=rtt_ms):
            return f"llm websocket round trip {rtt_ms:.1f} ms"
        case t.EndIntended(reason=reason, detail=detail):
            return f"call ends: {reason}" + (f" ({detail})" if detail else "")
        case t.Noted(text=text):
            return text
        case _:
            raise AssertionError(event)


def _reply(response_id: int, interrupt_id: int | None) -> str:
    return f"response {response_id}" if interrupt_id is None else f"interrupt {interrupt_id}"


def _quoted(words: Iterable[Word]) -> str:
    return '"' + " ".join(word.text for word in words) + '"'


def _turn_latency(response_id: int, times: ReplyTimes) -> Iterator[str]:
    """The turn's waterfall; its parts sum to e2e, so that nobody has to guess where the time went."""
    marks = [
        ("to tts", times.first_chunk_ms, times.tts_requested_ms),
        ("tts", times.tts_requested_ms, times.tts_received_ms),
        ("playout", times.tts_received_ms, times.started_ms),
    ]
    if times.speech_end_ms is None or times.requested_ms is None or times.started_ms is None:
        return
    parts = [("endpointing and asr", times.requested_ms - times.speech_end_ms)]
    if times.llm_ms is not None:
        parts.append(("llm", times.llm_ms))
    if times.tools_ms:
        parts.append(("tools", times.tools_ms))
    parts += [(name, end - start) for name, start, end in marks if start is not None and end is not None]
    slowest = max(parts, key=lambda part: part[1])[0]
    waterfall = " + ".join(f"{name} {ms:.0f}" for name, ms in parts)
    yield (
        f"turn latency (response {response_id}): e2e {times.started_ms - times.speech_end_ms:.0f} ms"
        f" = {waterfall}; slowest: {slowest}"
    )
