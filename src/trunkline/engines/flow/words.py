"""What was said, as words; and which intent it means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz

from trunkline.engines.flow.document import Answer, FlowDocument, Intent

MAX_TEXT_CHARS: Final = 1_000
"""Nobody says more in a turn that a flow could understand; bounds the work."""
_SENTENCE_GAP: Final = re.compile(r"(?<=[.!?])\s+")
_WORD: Final = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_ANY_WORDS: Final = 4
_SURE: Final = 0.72


@dataclass(frozen=True, slots=True)
class Match:
    """An answer whose intent was heard, how surely, and in which sentence."""

    answer: Answer
    score: float
    sentence: str


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation; apostrophes inside words stay."""
    return _WORD.findall(text.lower().replace("\u2019", "'").replace("-", " "))


def sentences_of(text: str) -> list[str]:
    """The sentences of a transcript, or the whole where it has no marks."""
    return [part for part in _SENTENCE_GAP.split(text[:MAX_TEXT_CHARS].strip()) if words_of(part)]


def best_match(document: FlowDocument, answers: Iterable[Answer], sentences: Sequence[str]) -> Match | None:
    """The answer that the sentences ask for most surely; of equals the first. Minor intents yield to all others."""
    best: Match | None = None
    best_rank = (False, 0.0)
    for answer in answers:
        intent = document.intent(answer.intent)
        for sentence in sentences:
            score = likeness(intent, sentence)
            rank = (not intent.minor, score)
            if score >= _SURE and (best is None or rank > best_rank):
                best, best_rank = Match(answer, score, sentence), rank
    return best


def likeness(intent: Intent, sentence: str) -> float:
    """0 to 1 for a resemblance to an example; more than 1 for keywords, the more of them the higher."""
    heard = words_of(sentence)
    keyed = max((_keyword_score(keyword.lower().split(), heard) for keyword in intent.keywords), default=0.0)
    if keyed > 0.0:
        return keyed
    said = " ".join(heard)
    return max((_resemblance(said, " ".join(words_of(example))) for example in intent.examples), default=0.0)


def _resemblance(said: str, example: str) -> float:
    """Mean of "says the same words" and "says nothing else"."""
    return (fuzz.token_set_ratio(said, example) + fuzz.token_sort_ratio(said, example)) / 200


def _keyword_score(pattern: Sequence[str], heard: Sequence[str]) -> float:
    """1 and a hundredth for each word of the pattern, or 0."""
    pattern = [part if part == "*" else part.replace("-", " ") for part in pattern]
    flat = [piece for part in pattern for piece in part.split()]
    found = any(_follows(flat, heard, at) for at in range(len(heard)))
    return 1.0 + len(flat) / 100 if found else 0.0


def _follows(pattern: Sequence[str], heard: Sequence[str], at: int) -> bool:
    """Whether the pattern is heard from this word on. At most 5 tries for each `*`, and patterns are short."""
    for n, part in enumerate(pattern):
        if part == "*":
            rest = pattern[n + 1 :]
            return any(_follows(rest, heard, at + skipped) for skipped in range(_ANY_WORDS + 1))
        if at >= len(heard) or not _is_word(part, heard[at]):
            return False
        at += 1
    return True


def _is_word(part: str, heard: str) -> bool:
    return heard.startswith(part[:-1]) if part.endswith("*") else heard == part
