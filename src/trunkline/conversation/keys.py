"""Collects the keys a caller presses until they are whole: after a pause, or at `#`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.conversation.timers import Timers

_PAUSE_S: Final = 2.0
_LAST_KEY: Final = "#"
_LONGEST: Final = 64
_TIMER: Final = "keys"


class KeyCollector:
    """The keys of one caller. `on_whole` is called once they are; `take` hands them out."""

    def __init__(self, timers: Timers, on_whole: Callable[[], None]) -> None:
        self._timers = timers
        self._on_whole = on_whole
        self._keys = ""
        self._are_whole = False

    @property
    def are_whole(self) -> bool:
        """No more is waited for."""
        return self._are_whole

    def press(self, digit: str) -> None:
        """One more key; only the last 64 are kept."""
        self._keys = (self._keys + digit)[-_LONGEST:]
        self._timers.cancel(_TIMER)
        if digit == _LAST_KEY:
            self._finish()
        else:
            self._timers.start(_TIMER, _PAUSE_S, self._finish)

    def take(self) -> str:
        """All of them; the next key begins anew."""
        keys, self._keys, self._are_whole = self._keys, "", False
        self._timers.cancel(_TIMER)
        return keys

    def _finish(self) -> None:
        self._are_whole = True
        self._on_whole()
