"""What one call told so far, and who listens to what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from trunkline.core.clock import Clock
from trunkline.core.events import CallEvent, CallEventType
from trunkline.core.ids import CallId, OrganizationId

_KEPT_EVENTS = (
    2000  # protects memory from a call that talks for hours; a follower that is further behind starts there
)


class CallJournal:
    """The events of one call, in order, without gaps in `seq`.

    Followers read from the kept list by position, so a slow one costs nothing and loses nothing that is still kept.
    """

    def __init__(self, organization_id: OrganizationId, call_id: CallId, clock: Clock) -> None:
        self._organization_id = organization_id
        self._call_id = call_id
        self._clock = clock
        self._events: list[CallEvent] = []
        self._dropped = 0
        self._closed = False
        self._news = asyncio.Event()

    def tell(self, type: CallEventType, data: dict[str, Any] | None = None) -> CallEvent:
        """Adds an event; `ended` closes the journal, and what comes after it is refused."""
        if self._closed:
            raise RuntimeError(f"{self._call_id} told {type} after its end")
        event = CallEvent(
            self._organization_id,
            self._call_id,
            self._dropped + len(self._events) + 1,
            self._clock.now(),
            type,
            data or {},
        )
        self._events.append(event)
        if len(self._events) > _KEPT_EVENTS:
            self._forget_oldest()
        self._closed = type == "ended"
        self._news.set()
        self._news = asyncio.Event()
        return event

    @property
    def closed(self) -> bool:
        """True once `ended` was told."""
        return self._closed

    async def follow(self, after_seq: int = 0) -> AsyncIterator[CallEvent]:
        """Yields what was told after `after_seq` and then what comes, up to `ended` inclusive."""
        seen = after_seq
        while True:
            for event in self._after(seen):
                seen = event.seq
                yield event
            if self._closed and not self._after(seen):
                return
            if not self._after(seen):
                await self._news.wait()

    def _after(self, seq: int) -> list[CallEvent]:
        return self._events[max(0, seq - self._dropped) :]

    def _forget_oldest(self) -> None:
        self._dropped += len(self._events) // 4
        del self._events[: len(self._events) // 4]
