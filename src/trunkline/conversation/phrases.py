"""Sentences that are said in many calls, synthesised once: greetings, questions after a silence, apologies."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import numpy as np

from trunkline.engines.port import Pcm

_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""About 17 minutes at 8 kHz; what was used longest ago goes first."""


class PhraseCache:
    """Audio by voice, text and rate. One for the whole service; bounded."""

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._phrases: OrderedDict[tuple[str, str, int], Pcm] = OrderedDict()

    def get(self, voice: str, text: str, rate_hz: int) -> Pcm | None:
        """The phrase's samples, or None where it was not said yet."""
        key = (voice, text, rate_hz)
        pcm = self._phrases.get(key)
        if pcm is not None:
            self._phrases.move_to_end(key)
        return pcm

    def put(self, voice: str, text: str, rate_hz: int, chunks: list[Pcm]) -> None:
        """Keeps a phrase that was synthesised whole."""
        pcm = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
        if not len(pcm) or pcm.nbytes > self._limit_bytes:
            return
        replaced = self._phrases.pop((voice, text, rate_hz), None)
        self._size_bytes += pcm.nbytes - (replaced.nbytes if replaced is not None else 0)
        self._phrases[voice, text, rate_hz] = pcm
        while self._size_bytes > self._limit_bytes:
            _, oldest = self._phrases.popitem(last=False)
            self._size_bytes -= oldest.nbytes
