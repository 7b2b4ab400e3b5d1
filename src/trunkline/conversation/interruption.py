"""Does the caller want the floor while we speak? A cough does not, "mm-hm" does not, "wait" does. Pure."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BACKCHANNELS: Final = _set(
    "mm mmm mhm mm-hm mm-hmm mhmm hm hmm uh-huh uh huh ah oh aha yeah yep yes ok okay right sure good great cool nice "
    "alright i see really wow perfect exactly um er hello hi hey"
)
"""What listeners say to show that they listen, or are there."""

_LONGEST_BACKCHANNEL: Final = 3
_WORDS_THAT_NEED_NO_DURATION: Final = 2


def count_words(text: str) -> int:
    """Words as `interruption_min_words` counts them."""
    return len(_WORDS.findall(text))


def is_backchannel(text: str) -> bool:
    """True for a few words that only say "I am listening"; false for none at all."""
    words = [word.lower() for word in _WORDS.findall(text)]
    return 0 < len(words) <= _LONGEST_BACKCHANNEL and all(word in _BACKCHANNELS for word in words)


def stops_us_by_voice(text: str, min_words: int) -> bool:
    """The voice has lasted long enough: does it stop us, given the words understood so far?

    Words may be late, so their absence speaks for the caller unless a number of them is asked for.
    """
    return count_words(text) >= min_words and not is_backchannel(text)


def stops_us_by_words(text: str, voiced_s: float, min_duration: float, min_words: int) -> bool:
    """These words were understood: do they stop us, though the voice may have been short?

    One word out of a sound shorter than `min_duration` is what recognisers make of a click; two are speech.
    """
    words = count_words(text)
    if words < max(1, min_words) or is_backchannel(text):
        return False
    return voiced_s >= min_duration or words >= _WORDS_THAT_NEED_NO_DURATION
