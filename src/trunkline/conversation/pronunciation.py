"""From what is written to what is said: the assistant's own list of pronunciations, and no markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

_MARKUP: Final = re.compile(r"\*\*|__|`+|^\s{0,3}(?:#{1,6}|[-*•])\s+", re.MULTILINE)
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def make_speakable(pairs: Sequence[tuple[str, str]] = ()) -> Callable[[str], str]:
    """A function from written to spoken text: markup is dropped, and whole words of `pairs` are replaced, case ignored.

    The longest written form wins, and what was replaced is not replaced again.
    """
    spoken = {written.lower(): said for written, said in pairs if written.strip()}
    if not spoken:
        return _plain
    longest_first = sorted(spoken, key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)", re.IGNORECASE)
    return lambda text: pattern.sub(lambda found: spoken[found.group().lower()], _plain(text))


def _plain(text: str) -> str:
    return _MARKUP.sub("", _LINK.sub(r"\1", text))
