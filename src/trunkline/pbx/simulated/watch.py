"""The events of one leg on their way to who watches it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from trunkline.pbx.port import LegDigit, LegEnded, LegEvent


class SimulatedWatch:
    """A `LegWatch`: each state once, digits as often as they come, nothing after the end."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._waiting: deque[LegEvent] = deque()
        self._wake = asyncio.Event()
        self._told: set[type[LegEvent]] = set()
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[LegEvent]:
        """Yields until `LegEnded`, inclusive."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                yield event
                if isinstance(event, LegEnded):
                    return
            if self._is_closed:
                return
            self._wake.clear()
            await self._wake.wait()

    def deliver(self, event: LegEvent) -> None:
        """Hands an event over."""
        if LegEnded in self._told or (type(event) in self._told and not isinstance(event, LegDigit)):
            return
        self._told.add(type(event))
        self._waiting.append(event)
        self._wake.set()

    def close(self) -> None:
        """Stops watching. Idempotent."""
        self._is_closed = True
        self._on_close()
        self._wake.set()
