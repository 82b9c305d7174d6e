"""The events of a call as its public log may show them when personal data is to be left out of it; pure.

Words are those of the scrubbed transcript at their time, so that a number that is spread over events is missing from
each of them. Messages of the LLM websocket repeat the transcript as it grew, and what the agent was interrupted in goes
on with what was heard: of these only the shape is shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from retold.domain.pii.categories import HIDDEN
from retold.domain.pii.transcript import Role, ScrubbedCall
from retold.domain.transcript import Utterance, Word
from retold.engine import timeline as t

_SHOWN_KEYS: Final = frozenset({"interaction_type", "response_type", "role", "tool_call_id", "name", "event"})


def texts_of(events: Iterable[t.AnyEvent]) -> list[str]:
    """What else than words the log would show; it is searched together with the conversation."""
    return [text for event in events if (text := _text_of(event)) is not None]


def scrubbed_events(events: Iterable[t.AnyEvent], scrubbed: ScrubbedCall) -> Iterator[t.AnyEvent]:
    """The same events without personal data; `scrubbed.texts` begin with those of `texts_of`."""
    words = _words_by_role(scrubbed)
    texts = iter(scrubbed.texts)
    for event in events:
        match event:
            case t.UserTranscribed():
                yield msgspec.structs.replace(event, words=_heard(words["user"], event.words))
            case t.WordsPlayed():
                yield msgspec.structs.replace(event, words=_heard(words["agent"], event.words))
            case t.ResponderTraffic():
                yield msgspec.structs.replace(event, text=_shape_of(event.text))
            case t.ReplyEnded():
                yield msgspec.structs.replace(event, unheard=HIDDEN if event.unheard else "")
            case _:
                yield event if _text_of(event) is None else _with_text(event, next(texts))


def _text_of(event: t.AnyEvent) -> str | None:
    match event:
        case t.ToolCallStarted(arguments=arguments):
            return arguments
        case t.ToolCallEnded(content=content):
            return content
        case t.VariablesCollected(values=values):
            return orjson.dumps(values).decode()
        case t.ContextInjected(text=text) | t.Noted(text=text):
            return text
        case t.EndIntended(detail=detail):
            return detail
        case _:
            return None


def _with_text(event: t.AnyEvent, text: str) -> t.AnyEvent:
    match event:
        case t.ToolCallStarted():
            return msgspec.structs.replace(event, arguments=text)
        case t.ToolCallEnded():
            return msgspec.structs.replace(event, content=text)
        case t.VariablesCollected():
            return msgspec.structs.replace(event, values=orjson.loads(text))
        case t.ContextInjected() | t.Noted():
            return msgspec.structs.replace(event, text=text)
        case t.EndIntended():
            return msgspec.structs.replace(event, detail=text)
        case _:
            raise AssertionError(event)


def _words_by_role(scrubbed: ScrubbedCall) -> Mapping[Role, Sequence[Word]]:
    words: dict[Role, list[Word]] = {"agent": [], "user": []}
    for item in scrubbed.items:
        if isinstance(item, Utterance):
            words[item.role] += item.words
    return words


def _heard(shown: Sequence[Word], words: Sequence[Word]) -> tuple[Word, ...]:
    """What the transcript shows of the time in which these words were heard."""
    if not words:
        return ()
    start_ms, end_ms = words[0].start_ms, words[-1].end_ms
    return tuple(word for word in shown if word.start_ms <= end_ms and word.end_ms >= start_ms)


def _shape_of(text: str) -> str:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return HIDDEN
    return orjson.dumps(_without_texts(message, "")).decode()


def _without_texts(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _without_texts(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_texts(inner, key) for inner in value]
    return HIDDEN if isinstance(value, str) and key not in _SHOWN_KEYS else value
