"""Conversations with Ada, as scripts: what the caller says and what must be in her answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.demo.practice import Day, Slot, free_times, is_free
from retold.demo.rules import begin, remind, reply_to
from retold.demo.state import Line, Lookup, Reply

END = "(ends the call)"

DIALOGUES = {
    "booking step by step": [
        ("hello", ["How can I help you?"]),
        ("I'd like to make an appointment.", ["Which day would suit you?"]),
        ("Tuesday morning.", ["Let me check Tuesday.", "eight thirty, nine or eleven thirty on Tuesday"]),
        ("Nine.", ["Tuesday at nine is free.", "Shall I book it?"]),
        ("Yes, please.", ["booked for Tuesday at nine", "anything else"]),
        ("No, thanks.", ["Goodbye!", END]),
    ],
    "booking at once": [
        ("Can I book a cleaning for Thursday at half past nine?", ["Thursday at nine thirty is free."]),
        ("Sounds good.", ["Your cleaning is booked for Thursday at nine thirty."]),
        ("Thank you.", ["You're welcome.", "anything else"]),
        ("That's all. Bye!", ["Goodbye!", END]),
    ],
    "a change of mind while choosing": [
        ("Hi, I'd like to book a cleaning for Tuesday.", ["on Tuesday"]),
        ("Wait, no, make that Thursday.", ["on Thursday"]),
        ("The second one.", ["Thursday at one thirty is free."]),
        ("No, at ten.", ["Thursday at ten is free."]),
        ("Yeah.", ["booked for Thursday at ten"]),
    ],
    "a change of mind in one breath": [
        ("Tuesday, no wait, Thursday at four.", ["Thursday at four is free."]),
        ("Not Thursday, Friday.", ["four is not free on Friday"]),
    ],
    "a change of mind after booking": [
        ("Book me in on Tuesday at ten.", ["Tuesday at ten is free."]),
        ("Okay.", ["booked for Tuesday at ten"]),
        ("Actually, make that Thursday.", ["Thursday at ten is free.", "Shall I move it there?"]),
        ("Yes.", ["now on Thursday at ten"]),
        ("Wait, make it half past nine.", ["Thursday at nine thirty is free."]),
        ("Right.", ["now on Thursday at nine thirty"]),
    ],
    "a taken time": [
        ("Wednesday at two thirty, please.", ["two thirty is not free on Wednesday", "one thirty, two or"]),
        ("The last one.", ["Wednesday at three thirty is free."]),
    ],
    "a closed day and a time too late": [
        ("Do you have anything on Sunday?", ["closed on Sunday", "Which other day"]),
        ("Saturday at three.", ["on Saturday we're open from nine to one", "on Saturday"]),
    ],
    "declining": [
        ("Book Monday at nine.", ["Monday at nine is free."]),
        ("No.", ["No problem.", "Which day"]),
        ("Friday at two thirty.", ["Friday at two thirty is free."]),
    ],
    "moving": [
        ("I need to move my appointment.", ["Which day is your appointment on?"]),
        ("It's on Monday.", ["your appointment on Monday at eleven", "Which day would suit you?"]),
        ("Thursday.", ["on Thursday"]),
        ("Nine thirty.", ["Thursday at nine thirty is free.", "Shall I move it there?"]),
        ("Perfect.", ["now on Thursday at nine thirty"]),
    ],
    "moving in one sentence": [
        ("Can you move my appointment from Tuesday to Friday at two?", ["at eleven", "Friday at two is free."]),
        ("Yes.", ["now on Friday at two"]),
    ],
    "cancelling": [
        ("I have to cancel.", ["Which day is your appointment on?"]),
        ("Friday.", ["Shall I cancel your appointment on Friday at eleven?"]),
        ("Yes.", ["It's cancelled."]),
    ],
    "cancelling after all not": [
        ("Cancel my appointment on Friday.", ["Shall I cancel your appointment on Friday at eleven?"]),
        ("Oh no, don't.", ["leave it as it is"]),
    ],
    "questions": [
        ("When are you open?", ["Monday to Friday from eight to five"]),
        ("And what time do you close on Saturday?", ["On Saturday we're open from nine to one."]),
        ("Are you open on Sunday?", ["closed on Sunday"]),
        ("Do you take my insurance?", ["Delta Dental"]),
        ("How much is a cleaning?", ["ninety dollars"]),
        ("What does it cost?", ["dollars"]),
        ("Where are you?", ["Lake Street"]),
        ("Are you a real person?", ["computer program"]),
    ],
    "a question in the middle of booking": [
        ("Can I come in on Friday at three?", ["Friday at three is free."]),
        ("When do you close?", ["from eight to five", "Shall I book it for Friday at three?"]),
        ("Okay, book it.", ["booked for Friday at three"]),
    ],
    "two things at once": [
        ("Book me for Tuesday at ten, and do you take insurance?", ["Delta Dental", "Tuesday at ten is free."]),
    ],
    "toothache": [
        ("My tooth hurts a lot.", ["I'm sorry to hear that.", "Which day"]),
        ("Tomorrow.", ["Which weekday would that be?"]),
        ("Monday, any time.", ["on Monday"]),
        ("The first one.", ["Monday at nine is free."]),
    ],
    "asking again": [
        ("Book Tuesday.", ["on Tuesday"]),
        ("Sorry?", ["on Tuesday"]),
        ("Can you repeat that?", ["on Tuesday"]),
    ],
    "not understood": [
        ("Fnord.", ["Sorry, I didn't catch that.", "I can book"]),
        ("Fnord fnord.", ["I'm afraid I still didn't get it."]),
        ("(unintelligible audio)", ["Sorry, I didn't catch that."]),
        ("Book.", ["Which day"]),
        ("Fnord.", ["Sorry, I didn't catch that.", "Which day would suit you?"]),
    ],
    "thinking": [
        ("Book Tuesday at ten.", ["Tuesday at ten is free."]),
        ("Hold on, please.", ["take your time"]),
        ("Yes.", ["booked for Tuesday at ten"]),
    ],
    "misheard": [
        ("I need an appointment choose day at 10 a.m.", ["Tuesday at ten is free."]),
        ("Make that thirsty.", ["Thursday at ten is free."]),
        ("mhm", ["booked for Thursday at ten"]),
    ],
}  # fmt: skip


def said_in(reply: Reply) -> str:
    return f"{reply.text} {END}" if reply.ends_call else reply.text


@pytest.mark.parametrize("dialogue", DIALOGUES.values(), ids=DIALOGUES.keys())
def test_ada_answers(dialogue: list[tuple[str, list[str]]]) -> None:
    transcript = [Line("agent", begin().text)]
    for caller, expected in dialogue:
        transcript.append(Line("user", caller))
        reply = reply_to(transcript)
        for words in expected:
            assert words in said_in(reply), f"after {caller!r}: {said_in(reply)!r}"
        assert reply.ends_call is (END in expected)
        transcript.append(Line("agent", reply.text))


def test_a_yes_to_a_question_that_was_cut_off_is_asked_again() -> None:
    transcript = [Line("user", "Book Tuesday at ten."), Line("agent", "Tuesday at"), Line("user", "Yes.")]
    reply = reply_to(transcript)
    assert "Shall I book it for Tuesday at ten?" in reply.text
    assert all(not isinstance(part, Lookup) or part.name != "book_appointment" for part in reply.parts)
    assert "booked" in reply_to([*transcript, Line("agent", reply.text), Line("user", "Yes.")]).text


def test_a_yes_to_one_day_is_no_yes_to_another() -> None:
    transcript = [
        Line("user", "Book Tuesday at ten."),
        Line("agent", "Tuesday at ten is free. Shall I book it?"),
        Line("user", "No, Thursday."),
        Line("agent", "Thurs"),
        Line("user", "Yes."),
    ]
    assert "Shall I book it for Thursday at ten?" in reply_to(transcript).text


def test_an_interrupted_answer_changes_nothing_but_what_was_heard() -> None:
    lines = [Line("user", "I want to book."), Line("agent", "Which d"), Line("user", "Wednesday at three thirty.")]
    assert "Wednesday at three thirty is free." in reply_to(lines).text


def test_diary_glances_are_told_by_name_and_result() -> None:
    reply = reply_to([Line("user", "Book Tuesday.")])
    (lookup,) = [part for part in reply.parts if isinstance(part, Lookup)]
    assert lookup == Lookup(
        "check_schedule", {"day": "Tuesday"}, {"free": ["eight thirty", "one thirty", "four thirty"]}
    )
    assert isinstance(reply.parts[0], str)


def test_a_silent_caller_is_asked_the_pending_question_again() -> None:
    assert remind([]).text == "Are you still there?"
    assert remind([Line("user", "Book.")]).text == "Are you still there? Which day would suit you?"


def test_offered_times_are_free_and_in_order() -> None:
    for day in Day:
        for near in (None, 0, 600, 1439):
            offered = free_times(day, near=near)
            assert list(offered) == sorted(set(offered))
            assert all(is_free(Slot(day, minute)) for minute in offered)


WORDS = [
    *("yes", "no", "wait", "make", "that", "book", "move", "cancel", "appointment", "cleaning", "tuesday", "thursday"),
    *("sunday", "at", "ten", "half", "past", "two", "10:30", "noon", "morning", "afternoon", "the", "first", "last"),
    *(
        "one",
        "how much",
        "insurance",
        "open",
        "hours",
        "where",
        "bye",
        "thanks",
        "hello",
        "repeat",
        "sorry",
        "tomorrow",
    ),
    *("pm", "(unintelligible audio)", "not", "or", "from", "to", "hurts"),
]
LINES = st.builds(
    Line,
    st.sampled_from(["agent", "user"]),
    st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
)


@given(st.lists(LINES, max_size=12))
def test_any_conversation_has_an_answer(transcript: list[Line]) -> None:
    for reply in (reply_to(transcript), remind(transcript)):
        assert reply.text.strip()
        assert reply.text.count("?") <= 3
        assert not any(character.isdigit() or character in "{}[]<>*" for character in reply.text)


@given(st.lists(LINES, max_size=10), st.sampled_from(["bye", "goodbye", "that's all, thanks"]))
def test_goodbye_always_ends_the_call(transcript: list[Line], goodbye: str) -> None:
    assert reply_to([*transcript, Line("user", goodbye)]).ends_call
