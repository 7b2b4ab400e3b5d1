"""Who waits for what of which leg: watches for the port, arrivals in our application for the adapter itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

import structlog

from trunkline.core.errors import InternalError
from trunkline.core.ids import LegId
from trunkline.pbx.hangup import Hangup
from trunkline.pbx.port import LegAnswered, LegDigit, LegEnded, LegEvent

_log = structlog.get_logger()

MAX_WAITING_DIGITS: Final = 500
"""More unread digits than this are dropped and counted: a party that floods keys must not fill our memory."""


class Watch:
    """The events of one leg; a `trunkline.pbx.port.LegWatch` for one reader."""

    def __init__(self, leg_id: LegId, forget: Callable[[LegId, Watch], None]) -> None:
        self._leg_id = leg_id
        self._forget = forget
        self._waiting: deque[LegEvent] = deque()
        self._wake = asyncio.Event()
        self._told: set[type[LegEvent]] = set()
        self._held: list[LegEvent] | None = None
        self._closed = False
        self.exists = False
        self.rings_until_s: float | None = None
        self.dropped_digits = 0

    def __aiter__(self) -> AsyncIterator[LegEvent]:
        """Yields until `LegEnded`, inclusive; ends at once when closed."""
        return self._events()

    async def _events(self) -> AsyncIterator[LegEvent]:
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                yield event
                if isinstance(event, LegEnded):
                    return
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()

    @property
    def answered(self) -> bool:
        """Whether the leg was told to be up."""
        return LegAnswered in self._told

    def close(self) -> None:
        """Stops watching. Idempotent."""
        self._closed = True
        self._forget(self._leg_id, self)
        self._wake.set()

    def silence(self) -> None:
        """Takes back what was not read yet and delivers nothing more; the reader waits until it closes the watch."""
        self._waiting.clear()
        self._told.add(LegEnded)

    def hold(self) -> None:
        """Keeps later events back until `release`."""
        if self._held is None:
            self._held = []

    def release(self, first: LegEvent) -> None:
        """Delivers `first` and then what was kept back."""
        held, self._held = self._held, None
        for event in (first, *(held or ())):
            self.deliver(event)

    def deliver(self, event: LegEvent) -> None:
        """Hands an event to the reader: states once each, digits up to a limit, nothing after the end."""
        if self._held is not None:
            self._held.append(event)
            return
        if LegEnded in self._told:
            return
        if isinstance(event, LegDigit):
            if len(self._waiting) >= MAX_WAITING_DIGITS:
                self.dropped_digits += 1
                return
        elif type(event) in self._told:
            return
        else:
            self._told.add(type(event))
        self._waiting.append(event)
        self._wake.set()


class LegBook:
    """All watched legs of this PBX, and who waits for a leg to arrive."""

    def __init__(self) -> None:
        self._watches: dict[LegId, Watch] = {}
        self._arrivals: dict[LegId, asyncio.Future[bool]] = {}

    def watch(self, leg_id: LegId) -> Watch:
        """Registers for a leg's events.

        Raises:
            InternalError: the leg is watched already.
        """
        if leg_id in self._watches:
            raise InternalError(f"Leg {leg_id} is watched twice.")
        watch = self._watches[leg_id] = Watch(leg_id, self._forget)
        return watch

    def find(self, leg_id: LegId) -> Watch | None:
        """The leg's watch, if it has one."""
        return self._watches.get(leg_id)

    def deliver(self, event: LegEvent) -> None:
        """To the leg's watch; dropped where nobody watches."""
        watch = self._watches.get(event.leg_id)
        if isinstance(event, LegEnded):
            self._settle(event.leg_id, arrived=False)
            if watch is not None:
                self._forget(event.leg_id, watch)
        if watch is not None:
            watch.exists = True
            watch.deliver(event)
            if isinstance(event, LegEnded) and watch.dropped_digits:
                _log.warning("digits dropped", leg_id=event.leg_id, count=watch.dropped_digits)

    def mark_existing(self, leg_id: LegId) -> None:
        """The PBX made the leg: if it is not there later, it was lost."""
        if (watch := self._watches.get(leg_id)) is not None:
            watch.exists = True

    def discard(self, leg_id: LegId) -> None:
        """Nothing more is told of the leg: its outcome was raised as an error."""
        if (watch := self._watches.pop(leg_id, None)) is not None:
            watch.silence()

    def existing(self) -> set[LegId]:
        """Watched legs that the PBX is known to have, or to have had."""
        return {leg_id for leg_id, watch in self._watches.items() if watch.exists}

    def end(self, leg_ids: Collection[LegId], hangup: Hangup) -> None:
        """Ends legs in place of the PBX, which will not tell any more."""
        for leg_id in leg_ids:
            self.deliver(LegEnded(leg_id, hangup))

    # --- arrivals ---------------------------------------------------------------------------------------------------

    def expect(self, leg_id: LegId) -> asyncio.Future[bool]:
        """A future that tells whether the leg arrived in our application (True) or ended before (False)."""
        future = self._arrivals[leg_id] = asyncio.get_running_loop().create_future()
        return future

    def arrived(self, leg_id: LegId) -> bool:
        """Notes an arrival; False where nobody expected the leg."""
        return self._settle(leg_id, arrived=True)

    def stop_expecting(self, leg_id: LegId) -> None:
        """Forgets an expectation. Idempotent."""
        self._arrivals.pop(leg_id, None)

    def _settle(self, leg_id: LegId, *, arrived: bool) -> bool:
        future = self._arrivals.pop(leg_id, None)
        if future is not None and not future.done():
            future.set_result(arrived)
        return future is not None

    def _forget(self, leg_id: LegId, watch: Watch) -> None:
        # A watch that is closed twice must not take away its successor.
        if self._watches.get(leg_id) is watch:
            del self._watches[leg_id]
