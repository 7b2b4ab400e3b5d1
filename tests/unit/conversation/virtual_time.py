"""An event loop whose clock jumps to the next timer, so that a talk of thirty seconds takes milliseconds and is always the same."""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

_START = datetime(2026, 1, 1, tzinfo=UTC)


class _NoWaiting(selectors.BaseSelector):
    """Looks at files without waiting; the time it would have waited passes at once."""

    def __init__(self) -> None:
        self._inner = selectors.SelectSelector()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError(
                    "Nothing will ever happen any more: a task waits for something that nobody does."
                )
            self.now += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only where everybody waits."""

    def __init__(self) -> None:
        self._no_waiting = _NoWaiting()
        super().__init__(self._no_waiting)

    def time(self) -> float:
        return self._no_waiting.now


class LoopClock:
    """The running loop's time as a `Clock`."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(_START.timestamp() + self.monotonic(), UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end; a task that outlives it is an error."""
    loop = VirtualLoop()
    left: list[str] = []
    try:
        return loop.run_until_complete(work)
    finally:
        tasks = asyncio.all_tasks(loop)
        left += sorted(task.get_name() for task in tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.close()
        assert not left or sys.exc_info()[0], f"left running: {left}"
