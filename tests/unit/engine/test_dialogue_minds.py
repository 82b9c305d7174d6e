"""What the mind of an agent on this server tells of itself: the record, the client, and another agent in mid-call."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import pytest

from retold.domain.transcript import NodeTransition, Word
from retold.engine import timeline as t
from retold.engine.rules import Rules
from retold.ports import (
    ChangeAgent,
    ChangeRules,
    ModelUsed,
    NodeEntered,
    SpeechAudio,
    Spoken,
    StateEntered,
    ToolInvoked,
    Transcribed,
    VariablesCollected,
    VoiceSettings,
)
from retold.providers.scripted import ScriptedTextToSpeech
from retold.settings import ScriptedSettings
from support.dialogue import Dialogue, KnownWords
from support.responders import BEGIN, Freely, Step, Wait, freely, notes, said

pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

HELLO = "Hello, how can I help?"
MOVE = NodeEntered("node_1", "Welcome", "node_2", "Booking", "global")


@dataclass
class Mouth:
    """ports.TextToSpeech that remembers what was said in which voice."""

    said: list[tuple[str, VoiceSettings]] = field(default_factory=list[tuple[str, VoiceSettings]])
    speech: ScriptedTextToSpeech = field(default_factory=lambda: ScriptedTextToSpeech(ScriptedSettings(tts_ms=50)))

    async def stream(self, text: str, voice: VoiceSettings) -> AsyncGenerator[Spoken]:
        self.said.append((text, voice))
        async for spoken in self.speech.stream(text, voice):
            yield spoken


@dataclass
class Ear(KnownWords):
    """ports.SpeechToText that remembers which utterances it was given in which language."""

    languages: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    async def stream(self, audio: AsyncIterator[SpeechAudio], language: str) -> AsyncIterator[Transcribed]:
        async def noted() -> AsyncIterator[SpeechAudio]:
            async for piece in audio:
                if (language, piece.utterance) not in self.languages:
                    self.languages.append((language, piece.utterance))
                yield piece

        async for result in super().stream(noted(), language):
            yield result


def spoken_by(mouth: Mouth, *steps: Step) -> Dialogue:
    return Dialogue(tts=mouth, mind=Freely({BEGIN: steps}))


# --- the record -----------------------------------------------------------------------------------


async def test_tokens_variables_and_states_are_folded_into_the_record() -> None:
    collected = [VariablesCollected({"name": "Ada", "day": "Monday"}), VariablesCollected({"day": "Tuesday"})]
    steps = [ModelUsed(120, 30), *collected, StateEntered("greet", "book"), ModelUsed(10, 5)]
    call = freely({BEGIN: [*steps, said(0, HELLO)]})
    call.user_hangs_up(at_s=3)
    report = await call.run()
    assert report.request_tokens == (150, 15)
    assert report.variables == {"name": "Ada", "day": "Tuesday"}
    assert "state: from 'greet' to 'book'" in call.log()
    assert [item.wire()["role"] for item in report.items] == ["agent"]


async def test_a_transition_stands_at_its_word_and_goes_to_the_client() -> None:
    call = freely({BEGIN: [said(0, HELLO), Wait(2500), MOVE, said(0, "Which day?", interrupt_id=1)]})
    call.user_hangs_up(at_s=5)
    report = await call.run()
    first, transition, second = report.items
    assert isinstance(transition, NodeTransition)
    assert (first.wire()["content"], second.wire()["content"]) == (HELLO, "Which day?")
    shown = {
        "former_node_id": "node_1",
        "former_node_name": "Welcome",
        "new_node_id": "node_2",
        "new_node_name": "Booking",
        "transition_type": "global",
    }
    assert transition.wire() == {"role": "node_transition", **shown}
    assert [event for _, event in call.transport.events if event["event_type"] == "node_transition"] == [
        {"event_type": "node_transition", **shown}
    ]


async def test_a_tool_is_shown_with_its_kind() -> None:
    call = freely({BEGIN: [said(0, HELLO), ToolInvoked("t1", "bye", "{}", "end_call"), ToolInvoked("t2", "own", "{}")]})
    call.user_hangs_up(at_s=3)
    report = await call.run()
    tools = [item.wire() for item in report.items if item.wire()["role"] == "tool_call_invocation"]
    assert [tool.get("type") for tool in tools] == ["end_call", None]


# --- another agent --------------------------------------------------------------------------------


async def test_another_agent_speaks_in_its_own_voice_from_its_first_word_on() -> None:
    mouth, bo = Mouth(), VoiceSettings("bo", 1.2, 0.5)
    swap = ChangeAgent("agent_2", 3, "Bo", voice=bo)
    call = spoken_by(mouth, said(0, "I hand you over. A", is_complete=False), swap, said(0, "Hello, this is Bo."))
    call.user_hangs_up(at_s=5)
    await call.run()
    assert mouth.said == [
        ("I hand you over.", VoiceSettings()),
        ("A", VoiceSettings()),
        ("Hello, this is Bo.", bo),
    ]
    assert "agent: agent_2 version 3 (Bo) takes over" in call.log()


async def test_who_keeps_the_voice_goes_on_in_it() -> None:
    mouth = Mouth()
    call = spoken_by(mouth, said(0, "One.", is_complete=False), ChangeAgent("agent_2", 3), said(0, "Two."))
    call.user_hangs_up(at_s=3)
    await call.run()
    assert [voice for _, voice in mouth.said] == [VoiceSettings(), VoiceSettings()]


async def test_the_caller_is_heard_in_the_new_language_from_the_next_utterance_on() -> None:
    ears: list[Ear] = []

    def hears(words: list[Word]) -> Ear:
        ears.append(Ear(words))
        return ears[0]

    swap = [ChangeAgent("agent_2", 0, language="en-US"), ChangeAgent("agent_3", 1, language="en-GB")]
    mind = Freely({BEGIN: [said(0, HELLO), Wait(3000), *swap], 1: [said(1, "Right.")], 2: [said(2, "Of course.")]})
    call = Dialogue(mind=mind, hears=hears)
    call.user_says("One two three four five six.", at_s=2.5)
    call.user_says("Do you hear me?", at_s=8)
    call.user_says("And now?", at_s=12)
    call.user_hangs_up(at_s=16)
    await call.run()
    assert [line for line in call.lines() if line.startswith("user")] == [
        "user: One two three four five six.",
        "user: Do you hear me?",
        "user: And now?",
    ]
    assert ears[0].languages == [("en-US", 0), ("en-GB", 1), ("en-GB", 2)]


async def test_a_language_that_is_not_heard_here_leaves_the_ear_as_it_was() -> None:
    call = freely({BEGIN: [said(0, HELLO), ChangeAgent("agent_2", 0, language="de-DE")], 1: [said(1, "Right.")]})
    call.user_says("Hello there.", at_s=2.5)
    call.user_hangs_up(at_s=5)
    await call.run()
    assert call.lines()[1] == "user: Hello there."
    assert "de-DE is not heard here; the caller is listened to in en-US" in notes(call)


async def test_another_agent_brings_its_rules() -> None:
    rules = ChangeRules(end_call_after_silence_ms=3000, reminder_max_count=0)
    call = freely({BEGIN: [said(0, HELLO), ChangeAgent("agent_2", 0, rules=rules)]}, Rules(reminder_max_count=5))
    report = await call.run()
    assert report.reason == "inactivity"
    spoken = next(event for event in call.timeline if isinstance(event, t.ReplyEnded))
    assert report.duration_ms == pytest.approx(spoken.at_ms + 3000, abs=50)


async def test_a_changed_limit_counts_from_the_beginning_of_the_call() -> None:
    call = freely({BEGIN: [Wait(2000), ChangeRules(max_call_duration_ms=4000)]})
    report = await call.run()
    assert report.reason == "max_duration_reached"
    assert report.duration_ms == pytest.approx(4000, abs=20)


async def test_a_node_may_be_spoken_faster_than_the_rest() -> None:
    mouth = Mouth()
    faster, back = ChangeRules(voice_speed=1.5), ChangeRules(voice_speed=1.0)
    texts = [said(0, f"{word}.", is_complete=word == "Three") for word in ("One", "Two", "Three")]
    call = spoken_by(mouth, texts[0], faster, texts[1], back, texts[2])
    call.user_hangs_up(at_s=3)
    await call.run()
    assert [(text, voice.speed) for text, voice in mouth.said] == [("One.", 1.0), ("Two.", 1.5), ("Three.", 1.0)]
