"""Events, their journal form and what a torn journal gives back."""

import json
import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retold.domain.reasons import DisconnectionReason
from retold.domain.transcript import TransitionType, Word
from retold.engine import timeline as t
from retold.storage.journal import MemoryJournal

KINDS: tuple[type[t.AnyEvent], ...] = typing.get_args(t.AnyEvent)
times = st.floats(0, 1e7)
texts = st.text(max_size=10)
words = st.lists(st.builds(Word, texts, times, times), max_size=4).map(tuple)
fields: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
    float: times,
    float | None: st.none() | times,
    int: st.integers(0, 2**53),
    int | None: st.none() | st.integers(0, 2**53),
    str: texts,
    str | None: st.none() | texts,
    dict[str, str]: st.dictionaries(texts, texts, max_size=3),
    TransitionType: st.sampled_from(typing.get_args(TransitionType)),
    bool: st.booleans(),
    bool | None: st.none() | st.booleans(),
    tuple[Word, ...]: words,
    tuple[str, ...]: st.lists(texts, max_size=3).map(tuple),
    DisconnectionReason: st.sampled_from(DisconnectionReason),
}


def made(kind: type[t.AnyEvent]) -> st.SearchStrategy[t.AnyEvent]:
    return st.builds(kind, **{field.name: fields[field.type] for field in msgspec.structs.fields(kind)})


events = st.one_of([made(kind) for kind in KINDS])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_survives_the_journal(kind: type[t.AnyEvent]) -> None:
    @settings(max_examples=5)
    @given(made(kind))
    def check(event: t.AnyEvent) -> None:
        assert t.decode(t.encode(event)) == event

    check()


JOURNALED = {
    "call_connected": b'{"type":"call_connected","at_ms":0.0,"wall_ms":1,"sample_rate":8000}',
    "user_transcribed": b'{"type":"user_transcribed","at_ms":1.5,"utterance":0,"words":[["hi",1.0,2.0]],"lag_ms":3.0}',
    "reply_ended": b'{"type":"reply_ended","at_ms":1.5,"response_id":2,"was_interrupted":true,"unheard":"x"}',
    "tool_call_started": (
        b'{"type":"tool_call_started","at_ms":1.0,"tool_call_id":"t","name":"find","arguments":"{}","tool_type":"custom"}'
    ),
    "model_used": b'{"type":"model_used","at_ms":1.0,"input_tokens":120,"output_tokens":30}',
    "variables_collected": b'{"type":"variables_collected","at_ms":1.0,"values":{"name":"Ada"}}',
    "node_entered": (
        b'{"type":"node_entered","at_ms":1.0,"former_node_id":"a","former_node_name":"A","new_node_id":"b",'
        b'"new_node_name":"B","transition_type":"global"}'
    ),
    "state_entered": b'{"type":"state_entered","at_ms":1.0,"former_state_name":"a","new_state_name":"b"}',
    "agent_changed": b'{"type":"agent_changed","at_ms":1.0,"agent_id":"agent_2","agent_version":3,"agent_name":"Bo"}',
    "end_intended": b'{"type":"end_intended","at_ms":2.0,"reason":"user_hangup","detail":"left"}',
}


@pytest.mark.parametrize("raw", JOURNALED.values(), ids=JOURNALED)
def test_the_journal_format_stays_readable(raw: bytes) -> None:
    assert json.loads(t.encode(t.decode(raw))) == json.loads(raw)


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert t.decode(b'{"type":"heartbeat","at_ms":1.0,"mood":"good"}') == t.Heartbeat(at_ms=1.0)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"[]", id="not an object"),
        pytest.param(b'{"type":"heartbeat"}', id="field missing"),
        pytest.param(b'{"type":"heartbeat","at_ms":"soon"}', id="wrong type"),
        pytest.param(b'{"type":"unheard_of","at_ms":1.0}', id="unknown type"),
    ],
)
def test_a_damaged_entry_ends_the_replay(raw: bytes) -> None:
    first, last = t.Heartbeat(at_ms=1.0), t.Heartbeat(at_ms=2.0)
    with pytest.raises(msgspec.MsgspecError):
        t.decode(raw)
    assert t.replay([t.encode(first), raw, t.encode(last)]) == [first]


@settings(max_examples=25)
@given(st.lists(events, max_size=5), events, st.data())
def test_a_torn_tail_costs_only_the_torn_event(whole: list[t.AnyEvent], torn: t.AnyEvent, data: st.DataObject) -> None:
    entry = t.encode(torn)
    cut = data.draw(st.integers(0, len(entry) - 1))
    assert t.replay([*(t.encode(event) for event in whole), entry[:cut]]) == whole


@settings(max_examples=25)
@given(st.lists(events, max_size=8), st.booleans())
def test_what_was_said_is_journaled_only_where_it_may_be_stored(said: list[t.AnyEvent], stores: bool) -> None:
    journal = MemoryJournal()
    timeline = t.Timeline(journal, stores_sensitive_data=stores)
    for event in said:
        timeline.append(event)
    assert list(timeline) == said
    assert list(reversed(timeline)) == said[::-1]
    assert (len(timeline), timeline.since(2)) == (len(said), said[2:])
    stored = said if stores else [without_detail(event) for event in said if not event.is_sensitive]
    assert t.replay(journal.entries) == stored


def without_detail(event: t.AnyEvent) -> t.AnyEvent:
    return msgspec.structs.replace(event, detail="") if isinstance(event, t.EndIntended) else event


def test_events_that_hold_speech_or_traffic_are_sensitive() -> None:
    assert {kind.__name__ for kind in KINDS if kind.is_sensitive} == {
        "UserTranscribed",
        "WordsPlayed",
        "ReplyEnded",
        "ToolCallStarted",
        "ToolCallEnded",
        "VariablesCollected",
        "NodeEntered",
        "StateEntered",
        "ContextInjected",
        "ResponderTraffic",
        "TurnDecided",
        "Noted",
    }


def test_from_the_moment_of_tightening_nothing_that_was_said_is_journaled() -> None:
    journal = MemoryJournal()
    timeline = t.Timeline(journal, stores_sensitive_data=True)
    before, after = t.Noted(at_ms=1.0, text="before"), t.Noted(at_ms=2.0, text="after")
    timeline.append(before)
    timeline.tighten()
    timeline.append(after)
    timeline.append(t.Heartbeat(at_ms=3.0))
    assert list(timeline) == [before, after, t.Heartbeat(at_ms=3.0)]
    assert t.replay(journal.entries) == [before, t.Heartbeat(at_ms=3.0)]


def test_who_follows_is_rung_at_every_event_until_it_stops() -> None:
    timeline = t.Timeline(MemoryJournal(), stores_sensitive_data=False)
    rung: list[int] = []
    with timeline.followed(lambda: rung.append(len(timeline))):
        timeline.append(t.Noted(at_ms=1.0, text="x"))
        timeline.append(t.Heartbeat(at_ms=2.0))
        timeline.ring()
    timeline.append(t.Heartbeat(at_ms=3.0))
    assert rung == [1, 2, 2]


@pytest.mark.anyio
async def test_committed_waits_for_the_journal() -> None:
    waited: list[tuple[int, bool]] = []

    class Waiting(MemoryJournal):
        async def committed(self, *, is_urgent: bool = True) -> None:
            waited.append((len(self.entries), is_urgent))

    timeline = t.Timeline(Waiting(), stores_sensitive_data=True)
    timeline.append(t.Heartbeat(at_ms=0.0))
    await timeline.committed()
    await timeline.committed(is_urgent=False)
    assert waited == [(1, True), (1, False)]
