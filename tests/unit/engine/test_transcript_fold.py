"""The transcript while it grows: always what folding from scratch gives, at the cost of what changed."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from retold.domain.transcript import (
    UNINTELLIGIBLE,
    Injected,
    ToolCallInvocation,
    ToolCallResult,
    TranscriptItem,
    Utterance,
    Word,
)
from retold.engine import timeline as t
from retold.engine.transcript_fold import TranscriptFold, is_shown


def words(text: str, at: float) -> tuple[Word, ...]:
    return tuple(Word(word, at + 300 * index, at + 300 * index + 200) for index, word in enumerate(text.split()))


def user(text: str, at: float, utterance: int) -> t.UserTranscribed:
    return t.UserTranscribed(at_ms=at + 3000, utterance=utterance, words=words(text, at))


def unintelligible(at: float, utterance: int) -> t.UserTranscribed:
    return t.UserTranscribed(at_ms=at, utterance=utterance, words=(), onset_ms=at, is_unintelligible=True)


def agent(text: str, at: float, response_id: int, interrupt_id: int | None = None) -> t.WordsPlayed:
    return t.WordsPlayed(at_ms=at + 3000, response_id=response_id, interrupt_id=interrupt_id, words=words(text, at))


def tool_started(at: float) -> t.ToolCallStarted:
    return t.ToolCallStarted(at_ms=at, tool_call_id="t1", name="find", arguments="{}")


def tool_ended(at: float) -> t.ToolCallEnded:
    return t.ToolCallEnded(at_ms=at, tool_call_id="t1", content="ok", successful=True)


# --- the definition: slow, and plain to see -------------------------------------------------------


@dataclass
class PlainTranscript:
    """What the transcript is by definition: everything is derived again each time."""

    user: dict[int, Utterance] = field(default_factory=dict[int, Utterance])
    agent: dict[tuple[int, int | None], Utterance] = field(default_factory=dict[tuple[int, int | None], Utterance])
    onsets_ms: dict[int, float] = field(default_factory=dict[int, float])
    tools: list[tuple[float, TranscriptItem]] = field(default_factory=list[tuple[float, TranscriptItem]])

    def apply(self, event: t.AnyEvent) -> None:
        match event:
            case t.UserTranscribed(utterance=number, words=said, is_unintelligible=is_unintelligible):
                if said or is_unintelligible:
                    content = " ".join(word.text for word in said) or UNINTELLIGIBLE
                    self.user[number] = Utterance(role="user", words=said, content=content)
                    self.onsets_ms[number] = event.onset_ms
                elif number in self.user and self.user[number].words:
                    del self.user[number]
            case t.WordsPlayed(response_id=response_id, interrupt_id=interrupt_id, words=more):
                known = self.agent.get((response_id, interrupt_id))
                said = (known.words if known else ()) + more
                content = " ".join(word.text for word in said)
                self.agent[response_id, interrupt_id] = Utterance("agent", said, response_id, interrupt_id, content)
            case t.ToolCallStarted():
                self.tools.append((event.at_ms, ToolCallInvocation("t1", "find", "{}")))
            case t.ToolCallEnded():
                self.tools.append((event.at_ms, ToolCallResult("t1", "ok", successful=True)))
            case t.ContextInjected(text=text):
                self.tools.append((event.at_ms, Injected(text, event.at_ms)))
            case _:
                pass

    def utterances(self) -> tuple[Utterance, ...]:
        begun = [(said.words[0].start_ms, said) for said in self.agent.values()]
        for number, said in self.user.items():
            begun.append((said.words[0].start_ms if said.words else self.onsets_ms[number], said))
        merged: list[Utterance] = []
        for _, said in sorted(begun, key=lambda start: start[0]):
            if merged and merged[-1].role == said.role == "user":
                both = (merged[-1], said)
                contents = [part.content for part in both if part.words] or [UNINTELLIGIBLE]
                merged[-1] = Utterance("user", both[0].words + both[1].words, content=" ".join(contents))
            else:
                merged.append(said)
        return tuple(merged)

    def items(self) -> tuple[TranscriptItem, ...]:
        items: list[TranscriptItem] = list(self.utterances())
        for at_ms, tool in self.tools:
            items = woven(items, at_ms, tool)
        return tuple(items)


def woven(items: list[TranscriptItem], at_ms: float, tool: TranscriptItem) -> list[TranscriptItem]:
    """Behind the last passage that began before, and behind all earlier tool calls; split where it goes on."""
    place = 0
    for index, item in enumerate(items):
        if not isinstance(item, Utterance) or (item.words and item.words[0].start_ms < at_ms):
            place = index + 1
    before, after = items[:place], items[place:]
    if before and isinstance(last := before[-1], Utterance):
        spoken = sum(word.start_ms < at_ms for word in last.words)
        if 0 < spoken < len(last.words):
            return [*before[:-1], part(last, last.words[:spoken]), tool, part(last, last.words[spoken:]), *after]
    return [*before, tool, *after]


def part(whole: Utterance, said: tuple[Word, ...]) -> Utterance:
    return Utterance(whole.role, said, whole.response_id, whole.interrupt_id, " ".join(word.text for word in said))


# --- properties -----------------------------------------------------------------------------------


def injected(at_ms: float) -> t.AnyEvent:
    return t.ContextInjected(at_ms=at_ms, text=f"told at {at_ms:.0f}")


moments = st.integers(0, 12).map(lambda step: step * 150.0)
texts = st.lists(st.sampled_from(["well", "yes", "nine"]), max_size=4).map(" ".join)
events = st.one_of(
    st.builds(user, texts, moments, st.integers(0, 5)),
    st.builds(agent, texts.filter(bool), moments, st.integers(0, 3), st.none() | st.integers(1, 2)),
    st.builds(tool_started, moments),
    st.builds(tool_ended, moments),
    st.builds(injected, moments),
    st.builds(unintelligible, moments, st.integers(0, 5)),
    moments.map(lambda at: t.Heartbeat(at_ms=at)),
    moments.map(lambda at: t.ResponderTraffic(at_ms=at, direction="sent", text="ping")),
)


@settings(max_examples=100)
@given(st.lists(st.tuples(events, st.booleans()), max_size=25))
def test_growing_gives_what_folding_from_scratch_gives(said: list[tuple[t.AnyEvent, bool]]) -> None:
    growing, plain = TranscriptFold(), PlainTranscript()
    for event, is_asked in [*said, (t.Heartbeat(at_ms=0), True)]:
        assert growing.apply(event) is is_shown(event)
        plain.apply(event)
        if is_asked:
            assert growing.utterances() == plain.utterances()
            assert growing.items() == plain.items()


def conversation(turns: int) -> TranscriptFold:
    """Question and answer in turns, each answer with a tool call in its middle."""
    transcript = TranscriptFold()
    for turn in range(turns):
        at = turn * 4000.0
        transcript.apply(user("when do you open", at, turn))
        transcript.apply(agent("we open at nine", at + 2000, turn))
        transcript.apply(tool_started(at + 2400))
    return transcript


def test_what_has_not_changed_stays_the_same_object() -> None:
    transcript = conversation(50)
    utterances, items = transcript.utterances(), transcript.items()
    transcript.apply(agent("sharp", 199_000, 49))
    is_kept = [old is new for old, new in zip(utterances, transcript.utterances(), strict=True)]
    assert is_kept == [True] * 99 + [False]
    is_kept = [old is new for old, new in zip(items, transcript.items(), strict=True)]
    assert is_kept == [True] * 197 + [False, True, False], "the last answer is split by its tool call"


def test_hearing_the_same_words_again_changes_nothing() -> None:
    transcript = TranscriptFold()
    assert transcript.hear(0, words("book it", 100))
    assert not transcript.hear(0, words("book it", 100))
    assert transcript.hear(0, words("book it", 120))
    assert transcript.hear(0, ())
    assert not transcript.hear(0, ())
