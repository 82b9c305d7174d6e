"""What turn taking decides, turn by turn."""

import pytest

from retold.domain.reasons import DisconnectionReason
from retold.engine.actions import (
    Action,
    Announce,
    Ask,
    Cut,
    Duck,
    End,
    Hold,
    MarkUnintelligible,
    Play,
    ReplyRef,
    Resume,
    Unduck,
)
from retold.engine.rules import Rules, changed
from retold.engine.turn_events import (
    InterruptBegun,
    ReplyDone,
    ReplyReady,
    ReplyVoid,
    SpeechEnded,
    SpeechStarted,
    Stopped,
    Tick,
    Words,
)
from retold.engine.turn_state import BEGIN_MESSAGE, Overlap, Phase
from retold.ports import ChangeRules, ReplyKind, Turn
from support.floor import Floor, greeted, speaking, speaks

# --- the ordinary turn ----------------------------------------------------------------------------


def test_the_begin_message_is_played_when_it_is_ready() -> None:
    floor = Floor().take(ReplyReady(100, BEGIN_MESSAGE))
    assert floor.actions == [Play(BEGIN_MESSAGE), Announce(Turn.AGENT)]
    assert floor.take(ReplyDone(900, BEGIN_MESSAGE)).state.phase is Phase.LISTENING


def test_the_begin_message_waits_for_its_delay() -> None:
    floor = Floor(Rules(begin_message_delay_ms=800)).take(ReplyReady(100, BEGIN_MESSAGE)).wait_until(799)
    assert not floor.did(Play)
    assert floor.wait_until(800).did(Play)


def test_the_caller_is_answered_after_the_wait() -> None:
    floor = greeted().take(*speaks("When do you open?", at=2000, until=3000)).wait_until(3349)
    assert not floor.did(Ask)
    assert floor.wait_until(3350).did(Ask) == [Ask(1, ReplyKind.RESPONSE, 3000)]
    assert floor.take(ReplyReady(4000, ReplyRef(1))).state.phase is Phase.SPEAKING


def test_the_wait_is_counted_from_the_last_sound_when_words_come_late() -> None:
    floor = greeted().take(SpeechStarted(2060, 2000), SpeechEnded(3160, 3000)).wait_until(4000)
    assert not floor.did(Ask)
    floor.take(Words(4100, 0, "When do you open?", is_final=True))
    assert floor.did(Ask)


def test_words_that_are_not_final_do_not_end_the_turn() -> None:
    floor = greeted().take(SpeechStarted(2060, 2000), SpeechEnded(3160, 3000))
    floor.take(Words(3200, 0, "When do", is_final=False)).wait_until(6000)
    assert not floor.did(Ask)
    assert floor.take(Words(6100, 0, "When do you open?", is_final=True)).did(Ask)


def test_words_that_never_become_final_are_answered_after_a_while() -> None:
    floor = greeted().take(SpeechStarted(2060, 2000), SpeechEnded(3160, 3000))
    floor.take(Words(3200, 0, "When do", is_final=False)).wait_until(3000 + Rules().words_timeout_ms)
    assert floor.did(Ask)


def test_words_without_noticed_speech_are_answered_too() -> None:
    floor = greeted().take(Words(3000, 0, "Hello.", is_final=True))
    assert floor.did(Announce)[-1] == Announce(Turn.USER)
    assert floor.did(Ask)


def test_words_that_turn_out_to_be_nothing_are_forgotten() -> None:
    floor = greeted().take(SpeechStarted(2060, 2000), Words(2500, 0, "Hm", is_final=False), SpeechEnded(2660, 2500))
    floor.take(Words(2700, 0, "", is_final=True))
    assert floor.state.phase is Phase.LISTENING
    assert not floor.did(Ask)


def test_long_speech_without_words_is_answered_as_unintelligible() -> None:
    floor = greeted().take(*speaks("", at=2000, until=3600))
    assert floor.did(MarkUnintelligible, Ask) == [MarkUnintelligible(), Ask(1, ReplyKind.RESPONSE, 3600)]


def test_pauses_do_not_count_as_speech_without_words() -> None:
    floor = greeted().take(*speaks("", at=2000, until=2500), *speaks("", at=9000, until=9500, utterance=1))
    assert not floor.did(MarkUnintelligible)


def test_words_of_an_answered_utterance_change_nothing() -> None:
    floor = greeted().take(*speaks("Hello.", at=2000, until=2500)).wait_until(3000)
    assert len(floor.take(Words(3100, 0, "Hello there.", is_final=True)).did(Ask)) == 1
    assert floor.state.heard == ()


# --- before the reply is heard --------------------------------------------------------------------


def test_caller_who_goes_on_gets_another_answer() -> None:
    floor = greeted().take(
        *speaks("Book Tuesday.", at=2000, until=3000), *speaks("No.", at=4000, until=4300, utterance=1)
    )
    floor.wait_until(5000)
    assert floor.did(Ask, Cut) == [
        Ask(1, ReplyKind.RESPONSE, 3000),
        Cut(ReplyRef(1), "the caller went on"),
        Ask(2, ReplyKind.RESPONSE, 4300),
    ]


def test_a_cough_does_not_cost_the_reply_on_its_way() -> None:
    floor = greeted().take(*speaks("Book Tuesday.", at=2000, until=3000), SpeechStarted(4060, 4000))
    floor.take(ReplyReady(4100, ReplyRef(1)), SpeechEnded(4400, 4240))
    assert not floor.did(Play)[1:]
    floor.take(Words(4500, 1, "", is_final=True))
    assert floor.did(Play)[1:] == [Play(ReplyRef(1))]
    assert (Phase.HEARING, Phase.SPEAKING) in floor.phases


def test_after_a_cough_a_reply_that_is_not_ready_is_waited_for() -> None:
    floor = greeted().take(*speaks("Book Tuesday.", at=2000, until=3000), *speaks("", at=4000, until=4200, utterance=1))
    assert floor.state.phase is Phase.THINKING
    assert floor.take(ReplyReady(5000, ReplyRef(1))).state.phase is Phase.SPEAKING


def test_an_empty_reply_is_silence() -> None:
    floor = greeted().take(*speaks("Hello.", at=2000, until=2500)).take(ReplyVoid(4000, ReplyRef(1)))
    assert floor.state.phase is Phase.LISTENING
    assert floor.state.reply is None


def test_an_empty_reply_while_the_caller_goes_on_changes_no_turn() -> None:
    floor = greeted().take(*speaks("Hello.", at=2000, until=2500), SpeechStarted(4060, 4000))
    floor.take(ReplyVoid(4100, ReplyRef(1)))
    assert floor.state.phase is Phase.HEARING
    assert floor.take(SpeechEnded(4400, 4240), Words(4500, 1, "", is_final=True)).state.phase is Phase.LISTENING


def test_an_empty_reply_may_end_the_call() -> None:
    floor = greeted().take(*speaks("Bye.", at=2000, until=2500), ReplyVoid(4000, ReplyRef(1), ends_call=True))
    assert floor.did(End) == [End(DisconnectionReason.AGENT_HANGUP, "the agent ended the call")]


def test_a_reply_that_does_not_come_is_given_up_and_the_caller_reminded() -> None:
    rules = Rules(reply_timeout_ms=5000, reminder_trigger_ms=3000)
    floor = greeted(rules).take(*speaks("Hello.", at=2000, until=2500)).wait_until(2850 + 5000)
    assert floor.decisions()[-1] == "listen again"
    assert floor.wait_until(2850 + 8000).did(Ask)[1:] == [Ask(2, ReplyKind.REMINDER, None)]


def test_a_reply_that_was_given_up_is_played_when_it_comes_after_all() -> None:
    floor = greeted().take(*speaks("Hello.", at=2000, until=2500)).wait_until(13_000)
    assert floor.decisions()[-1] == "listen again"
    assert floor.take(ReplyReady(13_500, ReplyRef(1))).did(Play)[-1] == Play(ReplyRef(1))


# --- over the agent's speech ----------------------------------------------------------------------


def test_an_overlap_ducks_holds_and_resumes() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000)).wait_until(6099)
    assert floor.state.overlap is Overlap.NONE
    assert floor.wait_until(6100).state.overlap is Overlap.DUCKED
    assert floor.wait_until(6200).state.overlap is Overlap.HELD
    floor.take(Words(6300, 1, "Mhm", is_final=False), SpeechEnded(6500, 6340))
    assert floor.take(Words(6600, 1, "Mhm.", is_final=True)).state.overlap is Overlap.NONE
    assert floor.did(Duck, Hold, Resume, Unduck) == [Duck(), Hold(), Resume()]


def test_a_short_sound_only_ducks() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000), SpeechEnded(6180, 6150))
    assert floor.did(Duck, Hold, Unduck) == [Duck(), Unduck()]


def test_an_onset_that_is_known_late_holds_without_ducking() -> None:
    floor = speaking().take(SpeechStarted(6260, 6000))
    assert floor.did(Duck, Hold) == [Hold()]
    assert floor.state.overlap is Overlap.HELD


def test_held_speech_without_words_is_resumed_in_time() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000), SpeechEnded(6500, 6340)).wait_until(6340 + 1499)
    assert not floor.did(Resume)
    assert floor.wait_until(6340 + 1500).did(Resume)


def test_words_take_the_floor() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000), Words(6150, 1, "Wait", is_final=False))
    assert floor.did(Cut) == [Cut(ReplyRef(1), "the caller said 1 words that ask for it")]
    assert floor.state.phase is Phase.HEARING


def test_long_speech_takes_the_floor_without_words() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000)).wait_until(7500)
    assert floor.did(Cut) == [Cut(ReplyRef(1), "the caller has been speaking for 1500 ms")]


def test_after_losing_the_floor_a_reply_is_stale() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000), Words(6150, 1, "Wait", is_final=False))
    before = floor.state
    for event in (ReplyReady(6200, ReplyRef(1)), ReplyDone(6200, ReplyRef(1)), ReplyVoid(6200, ReplyRef(1))):
        assert floor.step(event) == ()
        assert floor.state == before


def test_back_channels_are_dropped_when_the_reply_is_done() -> None:
    floor = speaking().take(*speaks("Okay.", at=6000, until=6300, utterance=1), ReplyDone(9000, ReplyRef(1)))
    assert floor.state.phase is Phase.LISTENING
    assert floor.state.heard == ()


def test_a_yes_at_the_end_of_the_reply_is_an_answer() -> None:
    floor = speaking().take(*speaks("Yes.", at=6000, until=6200, utterance=1), ReplyDone(6900, ReplyRef(1)))
    assert floor.did(Announce)[-1] == Announce(Turn.USER)
    assert floor.wait_until(8000).did(Ask)[-1] == Ask(2, ReplyKind.RESPONSE, 6200)


def test_a_reply_that_ends_over_the_caller_hands_over_the_floor() -> None:
    floor = speaking().take(SpeechStarted(6060, 6000), ReplyDone(6080, ReplyRef(1)))
    assert floor.state.phase is Phase.HEARING


def test_a_reply_that_may_not_be_interrupted_is_not() -> None:
    floor = speaking(is_interruptible=False).take(*speaks("Stop please stop.", at=6000, until=8500, utterance=1))
    assert not floor.did(Duck, Hold, Cut)
    assert floor.take(ReplyDone(9000, ReplyRef(1))).did(Ask)[-1] == Ask(2, ReplyKind.RESPONSE, 8500)


@pytest.mark.parametrize(
    ("after_ms", "overlap", "freed"), [(150, Overlap.DUCKED, Unduck()), (300, Overlap.HELD, Resume())]
)
def test_the_agent_goes_on_when_interrupting_is_forbidden_in_the_middle(
    after_ms: float, overlap: Overlap, freed: Action
) -> None:
    floor = speaking().take(SpeechStarted(6060, 6000)).wait_until(6000 + after_ms)
    assert floor.state.overlap is overlap
    floor.rules = changed(floor.rules, ChangeRules(interruption_sensitivity=0))
    floor.take(Tick(6000 + after_ms))
    assert floor.did(Unduck, Resume) == [freed]
    assert floor.state.overlap is Overlap.NONE
    assert not floor.take(SpeechEnded(9000, 8900), Tick(12_000)).did(Cut)


def test_a_reply_may_end_the_call_after_its_last_word() -> None:
    floor = speaking().take(ReplyDone(9000, ReplyRef(1), ends_call=True))
    assert floor.did(End) == [End(DisconnectionReason.AGENT_HANGUP, "the agent ended the call")]


# --- the responder interrupts ---------------------------------------------------------------------

INTERRUPT = ReplyRef(1, interrupt_id=7)


def test_the_responder_interrupts_its_own_reply() -> None:
    floor = speaking().take(InterruptBegun(6000, INTERRUPT))
    assert floor.did(Cut) == [Cut(ReplyRef(1), "the responder interrupts")]
    assert floor.take(ReplyReady(6100, INTERRUPT)).did(Play)[-1] == Play(INTERRUPT)


def test_the_same_interrupt_begins_only_once() -> None:
    floor = speaking().take(InterruptBegun(6000, INTERRUPT), InterruptBegun(6000, INTERRUPT))
    assert len(floor.did(Cut)) == 1


def test_the_responder_interrupts_silence() -> None:
    floor = greeted().take(InterruptBegun(3000, ReplyRef(0, interrupt_id=1)))
    assert floor.state.phase is Phase.THINKING
    assert not floor.did(Cut)


def talked_over() -> Floor:
    """The caller has been speaking since 6000 ms when the responder interrupts at 7000 ms."""
    floor = greeted().take(SpeechStarted(6060, 6000), Words(6900, 0, "I would like", is_final=False))
    return floor.take(InterruptBegun(7000, ReplyRef(0, interrupt_id=1)))


def test_speech_that_goes_on_does_not_stop_an_interrupt() -> None:
    floor = talked_over().take(Words(7100, 0, "I would like to", is_final=False))
    floor.take(ReplyReady(7200, ReplyRef(0, interrupt_id=1)), Words(7600, 0, "I would like to go", is_final=False))
    assert floor.did(Play)[-1] == Play(ReplyRef(0, interrupt_id=1))
    assert not floor.did(Cut, Duck, Hold)


def test_words_from_before_an_interrupt_are_answered_after_it() -> None:
    floor = talked_over().take(SpeechEnded(7160, 7000), Words(7260, 0, "I would like tea.", is_final=True))
    floor.take(ReplyReady(7300, ReplyRef(0, interrupt_id=1)), ReplyDone(8300, ReplyRef(0, interrupt_id=1)))
    assert floor.did(Ask) == [Ask(1, ReplyKind.RESPONSE, 7000)]


def test_speech_that_begins_again_takes_the_floor_from_an_interrupt() -> None:
    floor = talked_over().take(SpeechEnded(7160, 7000), ReplyReady(7300, ReplyRef(0, interrupt_id=1)))
    floor.take(SpeechStarted(8060, 8000), Words(8400, 1, "Stop", is_final=False))
    assert floor.did(Cut) == [Cut(ReplyRef(0, interrupt_id=1), "the caller said 1 words that ask for it")]


@pytest.mark.parametrize("is_void", [True, False], ids=["empty", "never comes"])
def test_an_interrupt_that_comes_to_nothing_gives_the_floor_back(is_void: bool) -> None:
    floor = talked_over()
    if is_void:
        floor.take(ReplyVoid(7100, ReplyRef(0, interrupt_id=1)))
    else:
        floor.wait_until(7000 + Rules().reply_timeout_ms)
    assert floor.state.phase is Phase.HEARING
    now_ms = floor.now_ms
    floor.take(SpeechEnded(now_ms + 160, now_ms), Words(now_ms + 300, 0, "I would like tea.", is_final=True))
    assert floor.wait_until(now_ms + 1000).did(Ask)


# --- silence and the end --------------------------------------------------------------------------


def test_reminders_come_until_their_number_is_used_up() -> None:
    floor = greeted(Rules(reminder_trigger_ms=3000, reminder_max_count=2))
    for response_id in (1, 2):
        floor.wait_until(floor.now_ms + 3000)
        ready = ReplyReady(floor.now_ms + 100, ReplyRef(response_id))
        floor.take(ready, ReplyDone(ready.at_ms + 1000, ready.reply))
    assert floor.wait_until(floor.now_ms + 60_000).did(Ask) == [
        Ask(1, ReplyKind.REMINDER, None),
        Ask(2, ReplyKind.REMINDER, None),
    ]


def test_a_caller_who_speaks_may_be_reminded_again() -> None:
    floor = greeted(Rules(reminder_trigger_ms=3000)).wait_until(4000)
    floor.take(ReplyReady(4100, ReplyRef(1)), ReplyDone(5000, ReplyRef(1)))
    floor.take(*speaks("", at=6000, until=6300)).wait_until(20_000)
    assert len(floor.did(Ask)) == 2


def test_inactivity_is_counted_through_reminders() -> None:
    floor = greeted(Rules(reminder_trigger_ms=3000, end_call_after_silence_ms=20_000)).wait_until(4000)
    floor.take(ReplyReady(4100, ReplyRef(1)), ReplyDone(5000, ReplyRef(1))).wait_until(30_000)
    assert floor.did(End) == [End(DisconnectionReason.INACTIVITY, "the caller was silent for 20000 ms")]
    assert floor.now_ms == 21_000


def test_the_time_limit_ends_the_call_in_any_phase() -> None:
    floor = speaking(Rules(max_call_duration_ms=8000)).wait_until(8000)
    assert floor.did(End) == [End(DisconnectionReason.MAX_DURATION_REACHED, "8000 ms are over")]


def test_nothing_leaves_a_closed_call() -> None:
    floor = greeted().take(Stopped(2000, DisconnectionReason.USER_HANGUP, "the caller left"))
    assert floor.did(End) == [End(DisconnectionReason.USER_HANGUP, "the caller left")]
    closed = floor.state
    for event in (*speaks("Hello?", at=3000, until=4000), Stopped(5000, DisconnectionReason.INACTIVITY), Tick(10**8)):
        assert floor.step(event) == ()
        assert floor.state == closed
