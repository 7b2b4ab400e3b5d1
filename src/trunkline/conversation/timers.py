"""Named timers of one owner on the running loop; starting one again moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timers:
    """Each name is at most one timer. Call-backs run on the loop and must not raise."""

    def __init__(self) -> None:
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def start(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        """Calls back after so long; replaces the timer of that name."""
        self.cancel(name)
        self._handles[name] = asyncio.get_running_loop().call_later(seconds, self._fire, name, callback)

    def cancel(self, name: str) -> None:
        """Nothing happens when it does not run."""
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def cancel_all(self) -> None:
        """At the end of the owner's life."""
        for name in tuple(self._handles):
            self.cancel(name)

    @property
    def running(self) -> frozenset[str]:
        """Names of those that run."""
        return frozenset(self._handles)

    def _fire(self, name: str, callback: Callable[[], None]) -> None:
        del self._handles[name]
        callback()
