"""The bounded executor that all speech models of a process share: a few threads, two priorities, one place to count waiting."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from trunkline.core.errors import UpstreamError

P = ParamSpec("P")
T = TypeVar("T")

MAX_WAITING = 256
"""Jobs that may wait. Above it the machine is hopelessly late, and an error now is better than speech a minute later."""

NICENESS = 2
"""Enough for the event loop to go first, not so much that another program on the machine would starve the models."""


@dataclass(slots=True)
class ExecutorCounts:
    """What the executor did since it was made. Times in seconds."""

    done: int = 0
    refused: int = 0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0


class ModelExecutor:
    """Runs model work off the event loop.

    Urgent jobs (finals, speech) start before patient ones (partials), each kind in order of arrival; patient ones leave a thread free for
    them where there are two. A job whose caller was cancelled while it waited never starts; one that already runs ends by itself, and its
    result is dropped. The threads are nicer than the event loop: late speech is a pity, late frames are heard.

    Args:
        threads: how many jobs run at once.
    """

    def __init__(self, threads: int = 2) -> None:
        self.threads = threads
        self.counts = ExecutorCounts()
        self._patient_limit = max(1, threads - 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="model", initializer=_be_nice)
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()
        self._running = 0
        self._running_patient = 0

    @property
    def waiting(self) -> int:
        """Jobs that wait for a thread."""
        return len(self._urgent) + len(self._patient)

    @property
    def is_busy(self) -> bool:
        """Whether a patient job given now would have to wait."""
        return self.is_full or self._running_patient >= self._patient_limit

    @property
    def is_full(self) -> bool:
        """Whether an urgent job given now would have to wait."""
        return self._running >= self.threads

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work` in a thread, before all patient jobs.

        Raises:
            UpstreamError: too many jobs wait already.
        """
        return await self._run(partial(work, *args, **kwargs), is_patient=False)

    async def run_patiently(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `work` in a thread once no urgent job waits.

        Raises:
            UpstreamError: too many jobs wait already.
        """
        return await self._run(partial(work, *args, **kwargs), is_patient=True)

    async def _run(self, work: Callable[[], T], *, is_patient: bool) -> T:
        await self._take_thread(is_patient=is_patient)
        loop = asyncio.get_running_loop()
        try:
            job = loop.run_in_executor(self._pool, work)
        except RuntimeError as error:
            self._free_thread(is_patient=is_patient)
            raise UpstreamError("The speech engines are shut down.", code="engines_stopped") from error

        def on_done(done: asyncio.Future[T]) -> None:
            if not done.cancelled():
                done.exception()  # a caller that was cancelled does not ask for it
            self.counts.done += 1
            self._free_thread(is_patient=is_patient)

        # The thread is free when the work has ended, which a cancelled caller does not wait for.
        job.add_done_callback(on_done)
        return await asyncio.shield(job)

    async def _take_thread(self, *, is_patient: bool) -> None:
        if not (self.is_busy if is_patient else self.is_full):
            self._count_start(is_patient=is_patient)
            return
        if self.waiting >= MAX_WAITING:
            self.counts.refused += 1
            raise UpstreamError(
                "The speech engines are overloaded.", retryable=True, code="engines_overloaded"
            )
        turn = asyncio.get_running_loop().create_future()
        line = self._patient if is_patient else self._urgent
        line.append(turn)
        since = time.monotonic()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free_thread(is_patient=is_patient)
            elif turn in line:
                line.remove(turn)
            raise
        waited = time.monotonic() - since
        self.counts.waited_s += waited
        self.counts.longest_wait_s = max(self.counts.longest_wait_s, waited)

    def _count_start(self, *, is_patient: bool) -> None:
        self._running += 1
        self._running_patient += is_patient

    def _free_thread(self, *, is_patient: bool) -> None:
        """Hands the thread on before a newcomer could take it."""
        self._running -= 1
        self._running_patient -= is_patient
        while not self.is_full and (turn := _next_in(self._urgent)):
            self._count_start(is_patient=False)
            turn.set_result(None)
        while not self.is_busy and (turn := _next_in(self._patient)):
            self._count_start(is_patient=True)
            turn.set_result(None)

    def shutdown(self) -> None:
        """Lets running jobs end, refuses further ones."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _next_in(line: deque[asyncio.Future[None]]) -> asyncio.Future[None] | None:
    """The first in line that still wants a thread."""
    while line:
        turn = line.popleft()
        if not turn.done():
            return turn
    return None


def _be_nice() -> None:
    """Lowers the priority of the calling thread, and of those it starts; Linux counts it by thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
