"""Cuts a reply that is still being written into pieces that can be spoken, as early as that can be done. Pure.

A sentence ends at its punctuation and a space; not at an abbreviation, an initial or a list number. The very first piece may
also end at a clause, so that the first sound does not wait for the sentence.
"""

from __future__ import annotations

import re
from typing import Final

_SENTENCE_END: Final = re.compile(r"(?:[.!?\u2026]+[\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f]+|\n+)")
_CLAUSE_END: Final = re.compile(r"[,;:\u2014\u2013](?=\s)")
_LAST_WORD: Final = re.compile(r"(\S+)$")
_RIPE_END: Final = re.compile(r"[A-Za-z0-9\u00c0-\u024f][.!?\u2026]+[\"'\u201d\u2019)\]]*$")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TITLES: Final = _set(
    "mr. mrs. ms. dr. prof. st. e.g. i.e. vs. approx. nr. tel. fig. bzw. z.b. d.h. bijv. o.a. d.w.z. m.b.v."
)
"""Never the end of a sentence."""

_ABBREVIATIONS: Final = _set(
    "sr. jr. etc. a.m. p.m. ext. dept. inc. ltd. no. min. max. jan. feb. aug. sept. oct. nov. dec. mon. tue. wed. thu. fri."
)
"""The end of one when what follows begins with a capital letter."""

_FIRST_CLAUSE_LEAST: Final = 12
_LONGEST: Final = 220
"""Longer pieces are cut at a clause or a space: what is synthesised together is also lost together at a barge-in."""


class SentenceSplitter:
    """Takes text as it streams in; gives each piece once, in order, nothing lost but the spaces between."""

    def __init__(self) -> None:
        self._buffer = ""
        self._is_first = True

    def push(self, text: str) -> list[str]:
        """Takes more text; returns the pieces that are now complete."""
        self._buffer += text
        pieces: list[str] = []
        while (cut := self._find_cut()) is not None:
            piece, self._buffer = self._buffer[:cut].strip(), self._buffer[cut:].lstrip()
            if piece:
                pieces.append(piece)
                self._is_first = False
        return pieces

    @property
    def is_ripe(self) -> bool:
        """What is left reads like a whole sentence, though more could still follow."""
        text = self._buffer.rstrip()
        word = _LAST_WORD.search(text)
        if word is None or not _RIPE_END.search(text):
            return False
        last = word.group()
        return not ("@" in last or "." in last[:-1].rstrip(".") or _is_no_end(text, ""))

    def flush(self) -> list[str]:
        """The rest; the text is over, or no more will be waited for."""
        piece, self._buffer = self._buffer.strip(), ""
        if not piece:
            return []
        self._is_first = False
        return [piece]

    def _find_cut(self) -> int | None:
        for end in _SENTENCE_END.finditer(self._buffer):
            if not _is_no_end(self._buffer[: end.end()], self._buffer[end.end() :]):
                return end.end() if end.end() <= _LONGEST else _cut_long(self._buffer)
        if self._is_first and not self.is_ripe:
            clause = next(
                (c.end() for c in _CLAUSE_END.finditer(self._buffer) if c.end() >= _FIRST_CLAUSE_LEAST), None
            )
            if clause is not None:
                return clause
        return _cut_long(self._buffer) if len(self._buffer) > _LONGEST else None


def _is_no_end(text: str, following: str) -> bool:
    """The text ends in an abbreviation, an initial or a list number, not in a sentence."""
    word = _LAST_WORD.search(text)
    if word is None or not word.group().endswith("."):
        return False
    last = word.group().lstrip("(\"'\u201c\u2018").lower()
    follows_capital = following.lstrip()[:1].isupper()
    if last in _TITLES:
        return True
    if last in _ABBREVIATIONS:
        return not follows_capital
    is_initial = len(last) == 2 and last[0].isalpha() and last[0] not in "iao"
    is_list_number = last[:-1].isdigit() and text.strip() == word.group()
    return is_initial or is_list_number


def _cut_long(text: str) -> int:
    window = text[:_LONGEST]
    clauses = [clause.end() for clause in _CLAUSE_END.finditer(window)]
    if clauses and clauses[-1] >= _LONGEST // 3:
        return clauses[-1]
    space = window.rfind(" ")
    return space if space > 0 else len(window)
