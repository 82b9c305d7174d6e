"""What one more word costs in a long call: the transcript derived, written for the LLM server, and logged."""

import time

from figures import Figure, Scale, quantile
from retold.domain.transcript import Word
from retold.engine import timeline as t
from retold.engine.transcript_fold import TranscriptFold
from retold.ports import TranscriptChanged
from retold.responders.llm_protocol import Writer, logged

WORDS = 10
"""In each utterance."""
TURN_MS = 8_000.0
LONGEST_BLOCK_MS = 5
"""Nothing may hold up the other calls for longer."""


async def measure(scale: Scale) -> list[Figure]:
    """At 10, 100 and 1000 utterances, about an hour and a half; each fifth turn with a tool call in its answer."""
    figures: list[Figure] = []
    for utterances in (10, 100, 1000):
        took_ms = _times_of_changes(utterances, scale.pick(300, 20))
        name = f"one more word after {utterances} utterances"
        figures += [
            Figure(f"{name}: p50", quantile(took_ms, 0.5), "ms"),
            Figure(f"{name}: p95", quantile(took_ms, 0.95), "ms", at_most=LONGEST_BLOCK_MS),
        ]
    return figures


def _times_of_changes(utterances: int, changes: int) -> list[float]:
    """Processor milliseconds of each change; all messages hold the transcript with its tool calls, too."""
    transcript, writer = _conversation(utterances), Writer()
    took_ms: list[float] = []
    for number in range(changes + 1):
        at_ms = utterances / 2 * TURN_MS + number * 300
        said = _words(1, at_ms)
        started_s = time.thread_time()
        # Replies of an ordinary length.
        transcript.apply(t.WordsPlayed(at_ms=at_ms, response_id=utterances + number // 30, words=said))
        event = TranscriptChanged(transcript.utterances(), transcript.items())
        writer.write(event, with_tool_calls=True)
        logged(event)
        took_ms.append((time.thread_time() - started_s) * 1000)
    return took_ms[1:]  # the first one wrote all that was said before


def _conversation(utterances: int) -> TranscriptFold:
    transcript = TranscriptFold()
    for turn in range(utterances // 2):
        at_ms = turn * TURN_MS
        transcript.apply(t.UserTranscribed(at_ms=at_ms, utterance=turn, words=_words(WORDS, at_ms)))
        transcript.apply(t.WordsPlayed(at_ms=at_ms, response_id=turn, words=_words(WORDS, at_ms + TURN_MS / 2)))
        if turn % 5 == 0:
            began_ms = at_ms + TURN_MS / 2 + 1000
            transcript.apply(t.ToolCallStarted(at_ms=began_ms, tool_call_id=f"{turn}", name="find", arguments="{}"))
            transcript.apply(t.ToolCallEnded(at_ms=began_ms + 500, tool_call_id=f"{turn}", content="found"))
    return transcript


def _words(count: int, at_ms: float) -> tuple[Word, ...]:
    return tuple(Word(f"word{index}", at_ms + index * 300, at_ms + index * 300 + 250) for index in range(count))
