"""The bounded executor: order, limits, cancellation."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from trunkline.core.errors import UpstreamError
from trunkline.engines import executor as module
from trunkline.engines.executor import ModelExecutor


class Gate:
    """Work that holds a thread until it is opened, and notes its turn."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.order: list[str] = []

    def hold(self) -> None:
        assert self._open.wait(10)

    def note(self, name: str) -> str:
        self.order.append(name)
        return name

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


async def started(*tasks: asyncio.Task[object]) -> None:
    """Lets tasks run up to their first wait."""
    for _ in range(3 + len(tasks)):
        await asyncio.sleep(0)


async def test_urgent_work_goes_first(gate: Gate) -> None:
    """A final that comes later starts before partials that wait."""
    executor = ModelExecutor(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(executor.run(gate.hold))
        await started()
        group.create_task(executor.run_patiently(gate.note, "partial"))
        await started()
        group.create_task(executor.run(gate.note, "final"))
        await started()
        assert executor.waiting == 2
        gate.open()
    executor.shutdown()

    assert gate.order == ["final", "partial"]
    assert (executor.waiting, executor.is_busy) == (0, False)


async def test_patient_work_leaves_a_thread_free(gate: Gate) -> None:
    """Of two threads partials take one: a final never waits for two of them."""
    executor = ModelExecutor(2)
    async with asyncio.TaskGroup() as group:
        group.create_task(executor.run_patiently(gate.hold))
        await started()
        assert executor.is_busy
        group.create_task(executor.run_patiently(gate.note, "second partial"))
        await started()
        async with asyncio.timeout(5):
            await executor.run(gate.note, "final")
        gate.open()
    executor.shutdown()

    assert gate.order == ["final", "second partial"]


async def test_a_cancelled_job_never_starts(gate: Gate) -> None:
    """Work whose caller is gone while it waits is not done; the others are."""
    executor = ModelExecutor(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(executor.run(gate.hold))
        await started()
        gone = asyncio.create_task(executor.run(gate.note, "gone"))
        await started()
        stays = group.create_task(executor.run(gate.note, "stays"))
        await started()
        gone.cancel()
        await started()
        gate.open()
    executor.shutdown()

    assert gate.order == ["stays"]
    assert stays.result() == "stays"
    assert gone.cancelled()


async def test_cancelling_running_work_frees_the_caller_now_and_the_thread_later(gate: Gate) -> None:
    """The caller goes on at once; the thread counts as taken until its work has ended."""
    executor = ModelExecutor(1)
    running = asyncio.create_task(executor.run(gate.hold))
    await started()
    running.cancel()
    await asyncio.wait([running], timeout=2)
    assert running.cancelled()
    assert executor.is_busy
    gate.open()
    async with asyncio.timeout(5):
        assert await executor.run(gate.note, "next") == "next"
    executor.shutdown()


async def test_too_many_jobs_are_refused(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is bounded: what can't be done in time is an error that may be retried."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    executor = ModelExecutor(1)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(executor.run(gate.hold))
            await started()
        with pytest.raises(UpstreamError, match="overloaded") as caught:
            await executor.run(gate.note, "too much")
        gate.open()
    executor.shutdown()

    assert caught.value.retryable
    assert executor.counts.refused == 1
    assert executor.counts.longest_wait_s > 0


async def test_an_error_reaches_its_caller_and_frees_the_thread() -> None:
    """What the work raises is raised; the next work runs."""
    executor = ModelExecutor(1)
    with pytest.raises(ZeroDivisionError):
        await executor.run(lambda: 1 // 0)

    assert await executor.run(lambda: "fine") == "fine"
    executor.shutdown()


async def test_after_shutdown_nothing_runs() -> None:
    """Work given too late is an error in words."""
    executor = ModelExecutor(1)
    executor.shutdown()
    with pytest.raises(UpstreamError, match="shut down"):
        await executor.run(lambda: None)


async def test_model_threads_yield_to_the_event_loop() -> None:
    """Their priority is lower than the loop's, which stays as it was."""
    executor = ModelExecutor(1)
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    theirs = await executor.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    executor.shutdown()

    assert theirs == min(19, mine + module.NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine
