"""The small judgements: has the caller finished, does a sound stop us, what next after a silence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.conversation.endpointing import Completeness, completeness, is_yes_no_question, wait_s
from trunkline.conversation.interruption import (
    count_words,
    is_backchannel,
    stops_us_by_voice,
    stops_us_by_words,
)
from trunkline.conversation.silence import GiveUp, Prompt, SilencePlan, after_silence
from trunkline.conversation.silence import wait_s as silence_s

NO_QUESTION = "I am listening."


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("I would like to book an appointment please.", NO_QUESTION, "complete"),
        ("What does it cost?", NO_QUESTION, "complete"),
        ("Who are you waiting for?", NO_QUESTION, "complete"),
        ("Sorry, stop. Is parking free?", NO_QUESTION, "complete"),
        ("Tuesday at ten in the morning, please.", NO_QUESTION, "complete"),
        ("My name is Anna Fisher.", NO_QUESTION, "complete"),
        ("Yes, it is.", NO_QUESTION, "complete"),
        ("I think so.", NO_QUESTION, "complete"),
        ("Yeah", "Is that right?", "complete"),
        ("no thanks", "Shall I book that for you?", "complete"),
        ("That is what I need.", NO_QUESTION, "complete"),
        ("Book me in.", NO_QUESTION, "open"),
        ("That is what I am looking for.", NO_QUESTION, "open"),
        ("book me in", NO_QUESTION, "incomplete"),
        ("So I was…", NO_QUESTION, "incomplete"),
        ("I would like to book and", NO_QUESTION, "incomplete"),
        ("I would like to book and.", NO_QUESTION, "incomplete"),
        ("My number is", NO_QUESTION, "incomplete"),
        ("My number is.", NO_QUESTION, "incomplete"),
        ("my phone number is", NO_QUESTION, "incomplete"),
        ("I want to", NO_QUESTION, "incomplete"),
        ("Well, um", NO_QUESTION, "incomplete"),
        ("Let me see.", NO_QUESTION, "incomplete"),
        ("On Tuesday,", NO_QUESTION, "incomplete"),
        ("So I was...", NO_QUESTION, "incomplete"),
        ("06 12", "What is your phone number?", "incomplete"),
        ("zero six one two.", "What is your phone number?", "incomplete"),
        ("0612345678", "What is your phone number?", "open"),
        ("0612345678.", "What is your phone number?", "complete"),
        ("Yeah", NO_QUESTION, "open"),
        ("a table for two", NO_QUESTION, "open"),
        ("", NO_QUESTION, "open"),
    ],
)
def test_completeness(text: str, asked: str, expected: str) -> None:
    """Sentences that end, that might, and that don't."""
    assert completeness(text, asked) is Completeness(expected)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Is that right?", True),
        ("Great, so would Tuesday suit you?", True),
        ("I have Tuesday at ten, correct?", True),
        ("What is your name?", False),
        ("When would you like to come?", False),
        ("That is fine.", False),
        ("", False),
    ],
)
def test_yes_no_questions(sentence: str, expected: bool) -> None:
    """Questions that one word answers."""
    assert is_yes_no_question(sentence) is expected


def test_waits_lie_between_the_two_delays() -> None:
    """Complete: the least; incomplete: the most; open: in between."""
    complete, open_, incomplete = (
        wait_s(text, "", 0.4, 2.0) for text in ("That is all.", "that is all", "that is the")
    )

    assert (complete, incomplete) == (0.4, 2.0)
    assert 0.4 < open_ < 2.0


@given(st.text(max_size=80), st.text(max_size=80), st.floats(0.1, 5), st.floats(0.1, 5))
def test_any_text_waits_within_the_settings(text: str, asked: str, least: float, most: float) -> None:
    """Whatever the ear makes up, and also with the two delays the wrong way round."""
    assert least <= wait_s(text, asked, least, most) <= max(least, most)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mm-hm.", True), ("Uh-huh", True), ("Yeah.", True), ("okay, great", True), ("I see", True),
        ("", False), ("Stop", False), ("okay but wait", False), ("yes I would like that", False), ("no", False),
    ],
)  # fmt: skip
def test_backchannels(text: str, expected: bool) -> None:
    """Murmurs of assent, and what only begins like one."""
    assert is_backchannel(text) is expected


@pytest.mark.parametrize(
    ("text", "voiced_s", "min_words", "expected"),
    [
        ("Stop", 0.35, 0, True),
        ("you", 0.12, 0, False),
        ("no wait", 0.25, 0, True),
        ("mm-hm", 0.5, 0, False),
        ("stop please", 0.6, 3, False),
        ("stop it please", 0.6, 3, True),
        ("", 2.0, 0, False),
    ],
)
def test_words_that_stop_us(text: str, voiced_s: float, min_words: int, expected: bool) -> None:
    """Speech does, a click that was taken for a word does not."""
    assert stops_us_by_words(text, voiced_s, 0.3, min_words) is expected


def test_voice_stops_us_without_words_unless_words_are_asked_for() -> None:
    """Words may be late; where a number of them is asked for, they are waited for."""
    assert stops_us_by_voice("", 0)
    assert not stops_us_by_voice("", 1)
    assert not stops_us_by_voice("uh-huh", 0)
    assert count_words("it's 9 o'clock") == 3


def test_silence_asks_then_gives_up() -> None:
    """The last question is repeated; then come the last words."""
    plan = SilencePlan(
        ("Hello?", "Anyone?"), "Bye.", first_check_seconds=3, interval_seconds=12, max_attempts=3
    )

    assert [after_silence(plan, n) for n in range(4)] == [
        Prompt("Hello?"), Prompt("Anyone?"), Prompt("Anyone?"), GiveUp("Bye."),
    ]  # fmt: skip
    assert [silence_s(plan, n) for n in range(3)] == [3, 12, 12]
    assert after_silence(SilencePlan(()), 0) == GiveUp(None)
