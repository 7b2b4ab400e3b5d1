"""What a call told, and who listens."""

import asyncio

import pytest

from trunkline.calls.journal import CallJournal
from trunkline.core.clock import ManualClock
from trunkline.core.ids import CallId, OrganizationId


def _journal() -> CallJournal:
    return CallJournal(OrganizationId("o"), CallId("c"), ManualClock())


async def test_a_late_follower_hears_the_past_then_the_rest_then_stops():
    """Nothing is missed between replay and live."""
    journal = _journal()
    journal.tell("ringing")
    heard = []

    async def follow() -> None:
        heard.extend([(event.seq, event.type) async for event in journal.follow()])

    follower = asyncio.create_task(follow())
    await asyncio.sleep(0)
    journal.tell("in-progress")
    await asyncio.sleep(0)
    journal.tell("ended")
    await asyncio.wait_for(follower, 1)

    assert heard == [(1, "ringing"), (2, "in-progress"), (3, "ended")]


async def test_a_resuming_follower_starts_after_what_it_saw():
    """`Last-Event-ID` costs nothing twice."""
    journal = _journal()
    for _ in range(3):
        journal.tell("partial", {"role": "user", "content": "x"})
    journal.tell("ended")

    assert [event.seq async for event in journal.follow(after_seq=2)] == [3, 4]


async def test_nothing_is_told_after_the_end():
    """`ended` is the last word."""
    journal = _journal()
    journal.tell("ended")

    with pytest.raises(RuntimeError, match="after its end"):
        journal.tell("ringing")


async def test_an_endless_call_keeps_bounded_memory_and_whole_numbers():
    """Old events go, `seq` goes on."""
    journal = _journal()
    for _ in range(5000):
        journal.tell("partial")
    journal.tell("ended")
    kept = [event.seq async for event in journal.follow()]

    assert len(kept) <= 2001
    assert kept == list(range(kept[0], 5002))
