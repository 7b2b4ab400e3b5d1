"""What Whisper says although nobody spoke, told from speech. Pure.

Measured on tiny.en: silence, line noise, beeps and touch tones give "you" with a mean log probability below -1.1 and a no-speech probability of 0.89
and more; a steady tone gives one word without end; real single words have a no-speech probability below 0.1 and a log probability above -0.8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_SPEECH = 0.6
UNSURE = -1.0
VERY_UNSURE = -1.6
_GHOSTS = frozenset({"you", "thank you", "thanks for watching", "thank you for watching", "bye", "so", "."})
_WORDS = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_SOUND = re.compile(r"[\[(*♪][^\])*♪]*[\])*♪]")
_MAX_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoding as the model gave it.

    Attributes:
        avg_logprob: mean natural logarithm of the tokens' probability, <= 0.
        no_speech: the model's own probability of silence, 0 to 1.
    """

    text: str
    avg_logprob: float
    no_speech: float


def spoken_text(decoded: Decoded) -> str:
    """The text to believe; empty where it is most likely made up."""
    text = _SOUND.sub(" ", decoded.text)
    text = " ".join(text.split())
    words = [word.lower() for word in _WORDS.findall(text)]
    if not words:
        return ""
    if decoded.avg_logprob < VERY_UNSURE or (decoded.no_speech > NO_SPEECH and decoded.avg_logprob < UNSURE):
        return ""
    if decoded.no_speech > NO_SPEECH and " ".join(words) in _GHOSTS:
        return ""
    looped = _loop_start(words)
    if looped is None:
        return text
    return "" if decoded.no_speech > NO_SPEECH or looped == 0 else _first_words(text, looped)


def _loop_start(words: list[str]) -> int | None:
    """Index of the word where a phrase of up to 6 words begins to be said more than 3 times in a row; None where none is."""
    for start in range(len(words)):
        for size in range(1, 7):
            phrase = words[start : start + size]
            repeats = 1
            while words[start + repeats * size : start + (repeats + 1) * size] == phrase:
                repeats += 1
            if repeats > _MAX_REPEATS and not all(word.isdigit() for word in phrase):
                return start
    return None


def _first_words(text: str, count: int) -> str:
    found = list(_WORDS.finditer(text))
    return text[: found[count - 1].end()]
