"""Has the caller finished? How long to wait after the caller's last sound, by what was said. Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

_WORDS: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER_LAST: Final = _set(
    "a an the and or but because if while whose than my your his her our their its these they he she i'm it's uh um er "
    "erm hmm well plus also until so we"
)
"""Words on which no sentence ends, whatever the ear puts behind them."""

_SELDOM_LAST: Final = _set(
    "to for of with at from in on by about as into this i is are was were am like then when that which who"
)
"""Words on which a sentence may end where the ear heard it end."""

_FILLERS: Final = _set("um uh er erm hmm")

_OPENINGS: Final = re.compile(
    r"(?:\b(?:my|the|our|his|her|your)\s+(?:\w+\s+){0,2}(?:is|are|was)"
    r"|(?<!what\s)(?<!all\s)(?<!that\s)\b(?:i|we)(?:\s+would|'d)?\s+(?:want|like|need|have|am|was)(?:\s+to)?"
    r"|\b(?:let me (?:see|think|check)|hold on|one (?:moment|second)|just a (?:moment|second|minute)))\W*$"
)
"""A sentence that has only begun, such as "my number is"; or one that asks for time."""

_SHORT_ANSWERS: Final = _set(
    "yes yeah yep yup sure ok okay no nope nah correct right exactly absolutely definitely please "
    "thanks thank you not really that's it is does do i don't of course"
)
_YES_NO_QUESTION: Final = re.compile(
    r"(?:^|[,.!;:]\s+|\b(?:so|and|then|now)\s+)(?:is|are|am|was|were|do|does|did|can|could|will|would|shall|should|have|has|may|might)\b[^.!?]*\?\s*$"
    r"|\b(?:right|correct|okay|ok|yes)\?\s*$",
    re.IGNORECASE,
)
_NUMBER_QUESTION: Final = re.compile(r"\bnumber\b|\bdigits\b|\bcode\b|\bpost ?code\b|\bzip\b", re.IGNORECASE)
_DIGIT_WORDS: Final = _set("zero oh one two three four five six seven eight nine double triple")
_LONG_NUMBER: Final = 7
"""Fewer digits than this, after a question for a number, are taken for a part of it."""


_TRAILING: Final = ("...", "\u2026", ",", "-", "\u2014")

_SUBJECTS: Final = _set("it that this he she there i we they you")


class Completeness(Enum):
    """How finished a caller's words are."""

    COMPLETE = "complete"
    OPEN = "open"
    INCOMPLETE = "incomplete"


_OPEN_SHARE: Final = 0.3
"""Where between the two delays an open sentence waits."""


def wait_s(text: str, asked: str, min_delay: float, max_delay: float) -> float:
    """Seconds of silence after the caller's speech that end the turn, from `min_delay` to `max_delay`.

    Args:
        text: what the caller said in this turn so far.
        asked: our last sentence before it; empty when there was none.
        min_delay: for a complete sentence.
        max_delay: for one that goes on.
    """
    longest = max(min_delay, max_delay)
    match completeness(text, asked):
        case Completeness.COMPLETE:
            return min_delay
        case Completeness.OPEN:
            return min_delay + (longest - min_delay) * _OPEN_SHARE
        case Completeness.INCOMPLETE:
            return longest


def completeness(text: str, asked: str = "") -> Completeness:
    """Judges the end of what was said, and whether it answers what was asked."""
    words = [word.replace("\u2019", "'").lower() for word in _WORDS.findall(text)]
    if not words:
        return Completeness.OPEN
    stripped = text.rstrip()
    if stripped.endswith(_TRAILING):
        return Completeness.INCOMPLETE
    end = stripped[-1]
    is_ended = end in ".!?"
    if _closes(words) or (end == "?" and words[-1] not in _FILLERS):
        return Completeness.COMPLETE if is_ended else Completeness.OPEN
    if _is_unfinished(words, is_ended=is_ended) or _is_part_of_number(words, text, asked):
        return Completeness.INCOMPLETE
    if _answers(words, asked):
        return Completeness.COMPLETE
    return Completeness.COMPLETE if is_ended and words[-1] not in _SELDOM_LAST else Completeness.OPEN


def is_yes_no_question(sentence: str) -> bool:
    """True for a question that yes or no answers."""
    return bool(_YES_NO_QUESTION.search(sentence.strip()))


def _is_unfinished(words: list[str], *, is_ended: bool) -> bool:
    if words[-1] in _NEVER_LAST:
        return True
    if words[-1] in _SELDOM_LAST and not is_ended:
        return True
    return bool(_OPENINGS.search(" ".join(words)))


def _closes(words: list[str]) -> bool:
    """As in "yes, it is" and "I think so": words that seldom end a sentence, where they do."""
    match words[-2:]:
        case [subject, "is" | "are" | "am" | "was" | "were"]:
            return subject in _SUBJECTS
        case ["think" | "hope" | "guess" | "believe", "so"]:
            return True
        case _:
            return False


def _is_part_of_number(words: list[str], text: str, asked: str) -> bool:
    if not _NUMBER_QUESTION.search(asked):
        return False
    digits = sum(character.isdigit() for character in text) + sum(word in _DIGIT_WORDS for word in words)
    return 0 < digits < _LONG_NUMBER


def _answers(words: list[str], asked: str) -> bool:
    return is_yes_no_question(asked) and len(words) <= 4 and all(word in _SHORT_ANSWERS for word in words)
