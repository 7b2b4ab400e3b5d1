"""Phrases that were spoken before, ready to be spoken again: bounded by bytes, the longest unused goes first. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from trunkline.engines.port import Pcm

MAX_PHRASE_CHARS = 240
"""Longer sentences are seldom said twice."""


class PhraseCache:
    """Keeps at most `limit_bytes` of audio."""

    def __init__(self, limit_bytes: int = 16_000_000) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._phrases: OrderedDict[Hashable, Pcm] = OrderedDict()

    def get(self, key: Hashable) -> Pcm | None:
        """The phrase's audio, read-only, or None."""
        pcm = self._phrases.get(key)
        if pcm is not None:
            self._phrases.move_to_end(key)
        return pcm

    def put(self, key: Hashable, text: str, pcm: Pcm) -> None:
        """Keeps a phrase that may come again."""
        if len(text) > MAX_PHRASE_CHARS or key in self._phrases or pcm.nbytes > self._limit_bytes:
            return
        pcm.setflags(write=False)
        self._phrases[key] = pcm
        self._bytes += pcm.nbytes
        while self._bytes > self._limit_bytes:
            _, oldest = self._phrases.popitem(last=False)
            self._bytes -= oldest.nbytes
