"""Watching a call while it goes on: its transcript, as often as the one who watches can take it.

Nothing is queued: a watcher looks at the timeline when it is ready for the next frame, and is shown what has changed
since the last one. However slow it is, the call does not notice, and the newest state is never far.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio

from retold.calls.live import Course, LiveCall
from retold.domain.transcript import Injected, NodeTransition, TranscriptItem, Utterance
from retold.engine.timeline import AnyEvent, EndIntended, ToolCallEnded, ToolCallStarted
from retold.engine.transcript_fold import TranscriptFold

COMMIT_TIMEOUT_S = 0.05
"""Longest wait for the journal before an event is shown."""
Frame = dict[str, Any]


async def frames(live: LiveCall) -> AsyncGenerator[Frame]:
    """A snapshot, then every change of the transcript, and `call_ended` as the last; needs a connected call.

    Of a conversation that is over already, only the end is shown, as it is once the call is written down.
    """
    course = live.course
    if course is None:
        return
    if live.is_granted:
        async with aclosing(_changes(live, course)) as changes:
            async for frame in changes:
                yield frame
    end = next((event for event in course.timeline if isinstance(event, EndIntended)), None)
    yield ended_frame(end.reason if end else None, course.clock.started_wall_ms + round(end.at_ms) if end else None)


async def _changes(live: LiveCall, course: Course) -> AsyncGenerator[Frame]:
    view = _View(course)
    news = anyio.Event()

    def bell() -> None:
        news.set()

    with course.timeline.followed(bell):
        yield {"type": "transcript_snapshot", "transcripts": view.changed(), "pre_session_transcripts": []}
        is_over = False
        while not is_over:
            await news.wait()
            news = anyio.Event()
            with anyio.move_on_after(COMMIT_TIMEOUT_S):
                await course.timeline.committed()
            # Looked at first: whoever takes the frame slowly is shown afterwards what was said meanwhile.
            is_over = not live.is_granted
            if changed := view.changed():
                yield {"type": "transcript_updated", "transcripts": changed}


def ended_frame(reason: str | None, at_wall_ms: int | None) -> Frame:
    """The last frame; times are milliseconds since the epoch."""
    fields = {"disconnection_reason": reason, "event_timestamp": at_wall_ms}
    return {"type": "call_ended", **{name: value for name, value in fields.items() if value is not None}}


class _View:
    """The transcript as one watcher has been shown it."""

    def __init__(self, course: Course) -> None:
        self._timeline = course.timeline
        self._fold = TranscriptFold()
        self._folded = 0
        self._shown: tuple[TranscriptItem, ...] = ()
        self._tool_ms: dict[tuple[str, str], float] = {}

    def changed(self) -> list[Frame]:
        """The items that are new or others than before, each under the number of its place."""
        for event in self._timeline.since(self._folded):
            self._folded += 1
            self._fold.apply(event)
            self._note_time(event)
        items, before = self._fold.items(), self._shown
        self._shown = items
        same = 0
        while same < min(len(items), len(before)) and items[same] is before[same]:
            same += 1
        return [
            {**item.wire(), "id": str(place), "time_sec": round(self._start_ms(place) / 1000, 3)}
            for place, item in enumerate(items[same:], start=same)
        ]

    def _note_time(self, event: AnyEvent) -> None:
        if isinstance(event, ToolCallStarted):
            self._tool_ms["tool_call_invocation", event.tool_call_id] = event.at_ms
        elif isinstance(event, ToolCallEnded):
            self._tool_ms["tool_call_result", event.tool_call_id] = event.at_ms

    def _start_ms(self, place: int) -> float:
        """When an item began; one without words of its own counts from the one before it."""
        for item in reversed(self._shown[: place + 1]):
            if isinstance(item, Injected | NodeTransition):
                return item.at_ms
            if not isinstance(item, Utterance):
                return self._tool_ms[item.wire()["role"], item.tool_call_id]
            if item.words:
                return item.words[0].start_ms
        return 0.0
