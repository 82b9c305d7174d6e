"""What Ada makes of single utterances: days, times, wishes; with mishearings and other spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retold.demo.practice import Day, Part, spoken_time
from retold.demo.understanding import Info, Pick, Service, Task, understand


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("at ten", "10:00"), ("at 10", "10:00"), ("10 o'clock", "10:00"),
        ("ten o clock", "10:00"), ("10 a.m.", "10:00"),
        ("10am", "10:00"), ("10:30", "10:30"), ("10.30", "10:30"), ("ten thirty", "10:30"), ("10 30", "10:30"),
        ("1030", "10:30"), ("half past ten", "10:30"), ("half past two", "14:30"), ("two thirty", "14:30"),
        ("2:30", "14:30"), ("14:30", "14:30"), ("at two", "14:00"), ("2 p.m.", "14:00"), ("2 PM", "14:00"),
        ("two in the afternoon", "14:00"), ("quarter past nine", "9:15"), ("a quarter to three", "14:45"),
        ("quarter to ten", "9:45"), ("noon", "12:00"), ("at twelve", "12:00"), ("at eight", "8:00"),
        ("eight in the evening", "20:00"), ("around four", "16:00"), ("seven am", "7:00"), ("nine forty-five", "9:45"),
        ("nine forty five", "9:45"), ("I am free at two", "14:00"), ("good morning, at three", "15:00"),
        ("at three, no, at four", "16:00"), ("twelve thirty", "12:30"), ("tuesday at nine fifteen please", "9:15"),
        ("book for two people", None), ("I have two children", None), ("that one", None), ("", None),
        ("call me in 5 minutes", None),
    ],
)  # fmt: skip
def test_times(text: str, time: str | None) -> None:
    minute = understand(text).minute
    assert (None if minute is None else f"{minute // 60}:{minute % 60:02}") == time


@pytest.mark.parametrize(("text", "minute"), [("ten", 600), ("2", 840), ("nine then", 540), ("the first one", None)])
def test_bare_numbers_are_times_only_for_who_asked(text: str, minute: int | None) -> None:
    assert understand(text).minute is None
    assert understand(text).bare_minute == minute


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Tuesday", Day.TUESDAY), ("on tuesdays", Day.TUESDAY), ("Tues day", Day.TUESDAY), ("choose day", Day.TUESDAY),
        ("two's day", Day.TUESDAY), ("wensday", Day.WEDNESDAY), ("when's day", Day.WEDNESDAY),
        ("thirsty", Day.THURSDAY), ("thurs day", Day.THURSDAY), ("fry day", Day.FRIDAY), ("Sat.", Day.SATURDAY),
        ("man day", Day.MONDAY), ("sun day", Day.SUNDAY), ("Tuesday, no, Friday", Day.FRIDAY),
        ("not Tuesday, Friday", Day.FRIDAY), ("Friday, not Tuesday", Day.FRIDAY), ("Tuesday or Wednesday", Day.TUESDAY),
        ("not on Monday", None), ("someday", None), ("", None),
    ],
)  # fmt: skip
def test_days(text: str, day: Day | None) -> None:
    assert understand(text).day is day


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("I'd like to book a cleaning", Task.BOOK), ("can I see the dentist", Task.BOOK), ("any slot free", Task.BOOK),
        ("make an appointment", Task.BOOK), ("re schedule please", Task.MOVE), ("change my appointment", Task.MOVE),
        ("I need another day", Task.MOVE), ("cancel it", Task.CANCEL), ("I can't make it on Friday", Task.CANCEL),
        ("cancelling my appointment", Task.CANCEL), ("hello", None),
    ],
)  # fmt: skip
def test_wishes(text: str, task: Task | None) -> None:
    assert understand(text).task is task


@pytest.mark.parametrize(
    ("text", "infos"),
    [
        ("what are your hours", [Info.HOURS]), ("when do you open", [Info.HOURS]), ("are you guys open", [Info.HOURS]),
        ("what time do you have on Tuesday", []), ("is it covered by my insurance", [Info.INSURANCE]),
        ("how much is it and where are you", [Info.PRICE, Info.ADDRESS]), ("am I talking to a robot", [Info.WHO]),
    ],
)  # fmt: skip
def test_questions(text: str, infos: list[Info]) -> None:
    assert list(understand(text).infos) == infos


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("yes", {"is_yes"}), ("mhm", {"is_yes"}),
        ("that's not right", {"is_no"}), ("no thanks", {"is_no", "is_thanks"}),
        ("hold on a second", {"is_hold"}), ("let me check", {"is_hold"}), ("um", {"is_empty"}), ("...", {"is_empty"}),
        ("(unintelligible audio)", {"is_empty"}), ("pardon", {"is_repeat"}), ("sorry", {"is_repeat"}),
        ("good bye", {"is_goodbye"}), ("that'll be all", {"is_goodbye"}), ("good morning", {"is_hello", "is_yes"}),
    ],
)  # fmt: skip
def test_small_words(text: str, facts: set[str]) -> None:
    meaning = understand(text)
    names = ("is_yes", "is_no", "is_hold", "is_empty", "is_repeat", "is_goodbye", "is_hello", "is_thanks")
    assert {name for name in names if getattr(meaning, name)} == facts


def test_services_parts_and_picks() -> None:
    assert understand("a check up").service is Service.CHECK_UP
    assert understand("my teeth cleaned").service is Service.CLEANING
    assert understand("tuesday morning").part is Part.MORNING
    assert understand("good morning").part is None
    assert understand("after lunch").part is Part.AFTERNOON
    assert understand("the last one").pick is Pick.LAST
    assert understand("any of those").pick is Pick.FIRST


@pytest.mark.parametrize(
    ("minute", "words"),
    [(540, "nine"), (630, "ten thirty"), (720, "noon"), (0, "twelve"),
     (545, "nine oh five"), (1425, "eleven forty five")]
)  # fmt: skip
def test_times_are_spoken_in_words(minute: int, words: str) -> None:
    assert spoken_time(minute) == words


@given(st.text(max_size=200))
def test_any_text_has_a_meaning(text: str) -> None:
    meaning = understand(text)
    assert meaning.minute is None or 0 <= meaning.minute < 24 * 60


@given(st.integers(0, 24 * 60 - 1))
def test_any_minute_can_be_spoken(minute: int) -> None:
    assert spoken_time(minute).replace(" ", "").isalpha()
