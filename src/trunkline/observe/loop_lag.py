"""Measures how late the event loop runs: what every frame and every timer waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

PERIOD_S: Final = 0.25
ALARM_S: Final = 0.2
"""A loop this late is heard as a gap: the PBX's queue holds about as much of our audio."""

_log = structlog.get_logger()


async def watch_loop_lag(report: Callable[[float], None], *, period_s: float = PERIOD_S) -> None:
    """Reports the lag, in seconds, every `period_s` until it is cancelled.

    The sleep is timed against the loop's own clock, so what is measured is waiting, not the clock's error.
    """
    loop = asyncio.get_running_loop()
    while True:
        expected = loop.time() + period_s
        await asyncio.sleep(period_s)
        lag_s = max(0.0, loop.time() - expected)
        report(lag_s)
        if lag_s > ALARM_S:
            _log.warning("event loop was late", lag_ms=round(lag_s * 1000))
