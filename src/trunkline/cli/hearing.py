"""What can be told from recorded audio: where somebody speaks, and how well words came across. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

Samples = NDArray[np.int16]

FRAME_MS: Final = 20
SPEECH_RMS: Final = 250.0
"""Root mean square of 16-bit samples over a frame that is speech: well over line noise, well under quiet speech."""

_DIGITS: Final = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def words(text: str) -> list[str]:
    """Lower-case words; figures up to twelve are spelled out, so that `10` and `ten` are the same."""
    plain = text.lower().replace("\u2019", "'")
    plain = re.sub(r"\b(\d{1,2})(?::00)?\b", lambda match: _spelled(int(match[1])), plain)
    return re.findall(r"[a-z0-9]+", plain.replace("'", ""))


def _spelled(number: int) -> str:
    return _DIGITS[number] if number < len(_DIGITS) else str(number)


def word_error_rate(said: str, heard: str) -> float:
    """Words wrong, missing or added, as a share of the words said: 0.0 is perfect, above 1.0 is possible."""
    reference = words(said)
    if not reference:
        return 0.0 if not words(heard) else 1.0
    return Levenshtein.distance(reference, words(heard)) / len(reference)


def share_heard(said: str, heard: str) -> float:
    """How much of a sentence can be found, in order and together, in a longer text: 0.0 to 1.0."""
    reference, text = words(said), words(heard)
    if not reference or not text:
        return 0.0
    window = len(reference) + 2
    starts = range(max(1, len(text) - len(reference) + 1))
    best = min(_errors(reference, text[start : start + window]) for start in starts)
    return max(0.0, 1 - best / len(reference))


def _errors(reference: Sequence[str], window: Sequence[str]) -> int:
    """The fewest errors against any beginning of the window, so that words after the sentence do not count."""
    ends = range(max(1, len(reference) - 2), len(window) + 1)
    return min((Levenshtein.distance(reference, window[:end]) for end in ends), default=len(reference))


def speech_frames(samples: Samples, rate_hz: int) -> NDArray[np.bool_]:
    """For each whole frame of 20 ms whether it is speech."""
    size = rate_hz * FRAME_MS // 1000
    whole = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    return np.sqrt(np.mean(whole * whole, axis=1)) >= SPEECH_RMS if len(whole) else np.zeros(0, np.bool_)


def speech_seconds(samples: Samples, rate_hz: int) -> float:
    """How long somebody speaks, pauses left out."""
    return float(np.count_nonzero(speech_frames(samples, rate_hz))) * FRAME_MS / 1000


def first_sound_ms(samples: Samples, rate_hz: int) -> float | None:
    """When the first frame of speech begins; None in silence."""
    loud = np.flatnonzero(speech_frames(samples, rate_hz))
    return float(loud[0]) * FRAME_MS if len(loud) else None


def stretches(
    samples: Samples, rate_hz: int, *, gap_ms: int = 500, longest_ms: int = 11_000
) -> list[tuple[int, int]]:
    """Speech as (start, end) in milliseconds: cut at pauses of `gap_ms`, and at `longest_ms` where nobody breathes."""
    found: list[tuple[int, int]] = []
    for frame in np.flatnonzero(speech_frames(samples, rate_hz)):
        start = int(frame) * FRAME_MS
        end = start + FRAME_MS
        if found and start - found[-1][1] < gap_ms and end - found[-1][0] <= longest_ms:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
