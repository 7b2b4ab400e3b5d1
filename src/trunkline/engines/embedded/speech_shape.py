"""What a synthesiser's raw sentence needs before it is spoken on a telephone: no silence in front, a fitting pause after, a fitting level. Pure."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_SILENCE = 0.001
"""Root mean square, full scale 1, below which a synthesiser says nothing."""
_WINDOW_MS = 5
_LEAD_MS = 15
_PAUSE_MS = {".": 280, "!": 280, "?": 300, "…": 350, ":": 180, ";": 180, ",": 120}
_PAUSE_ELSE_MS = 60
_CLOSING = "\"'\u2019\u201d)]"
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=\S)")


def trimmed(wave: NDArray[np.float32], rate_hz: int, text: str) -> NDArray[np.float32]:
    """The sound without its silent edges, then the pause that the text's last mark asks for.

    Synthesisers put some 300 ms of silence before a sentence; a caller would wait for it in every turn.
    """
    window = rate_hz * _WINDOW_MS // 1000
    whole = len(wave) // window * window
    loud = np.sqrt(np.mean(np.square(wave[:whole].reshape(-1, window)), axis=1)) > _SILENCE
    if not loud.any():
        return np.zeros(0, np.float32)
    first = max(0, int(np.argmax(loud)) * window - rate_hz * _LEAD_MS // 1000)
    last = (len(loud) - int(np.argmax(loud[::-1]))) * window
    pause = np.zeros(rate_hz * pause_ms(text) // 1000, np.float32)
    return np.concatenate((wave[first:last], pause))


def pause_ms(text: str) -> int:
    """How long to be silent after this text."""
    bare = text.rstrip().rstrip(_CLOSING)
    return _PAUSE_MS.get(bare[-1:], _PAUSE_ELSE_MS)


def to_pcm(wave: NDArray[np.float32], gain: float = 1.0) -> NDArray[np.int16]:
    """Float samples, full scale 1, as int16; what would overshoot is clipped."""
    pcm: NDArray[np.int16] = np.clip(wave * (32767.0 * gain), -32768, 32767).astype(np.int16)
    return pcm


def sentences(text: str) -> list[str]:
    """The text cut after sentence marks, for synthesisers that have no better rule of their own."""
    return [part for part in _SENTENCE_END.split(text.strip()) if part]
