"""Watches: in order, each state once, one end."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.core.errors import InternalError
from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.watch import MAX_WAITING_DIGITS, LegBook
from trunkline.pbx.hangup import PBX_LOST, Hangup
from trunkline.pbx.port import LegAnswered, LegDigit, LegEnded, LegRinging

LEG = LegId("tl-1")
NORMAL = Hangup(16, None, "normal_clearing")
ENDED = LegEnded(LEG, NORMAL)


async def everything(watch: object) -> list[object]:
    async with asyncio.timeout(2):
        return [event async for event in watch]  # type: ignore[attr-defined]


async def test_events_come_in_order_and_stop_after_the_end():
    """What was delivered before anybody read is not lost."""
    book = LegBook()
    watch = book.watch(LEG)
    for event in (LegRinging(LEG), LegDigit(LEG, "1"), LegAnswered(LEG), LegDigit(LEG, "1"), ENDED):
        book.deliver(event)

    assert await everything(watch) == [
        LegRinging(LEG),
        LegDigit(LEG, "1"),
        LegAnswered(LEG),
        LegDigit(LEG, "1"),
        ENDED,
    ]


async def test_a_leg_ends_once_whatever_is_said_of_it():
    """The PBX's own end and the reconciliation's may both come."""
    book = LegBook()
    watch = book.watch(LEG)
    book.deliver(ENDED)
    book.end([LEG], PBX_LOST)
    watch.deliver(LegAnswered(LEG))

    assert await everything(watch) == [ENDED]


async def test_a_state_told_twice_is_one_event():
    """Asterisk tells ringing by two events, and a reconciliation tells it again."""
    book = LegBook()
    watch = book.watch(LEG)
    for event in (LegRinging(LEG), LegRinging(LEG), LegAnswered(LEG), LegAnswered(LEG), ENDED):
        book.deliver(event)

    assert await everything(watch) == [LegRinging(LEG), LegAnswered(LEG), ENDED]


async def test_a_reader_that_waits_is_woken():
    """By the next event."""
    book = LegBook()
    reading = asyncio.ensure_future(everything(book.watch(LEG)))
    await asyncio.sleep(0)
    book.deliver(ENDED)

    assert await reading == [ENDED]


async def test_a_closed_watch_ends_its_reader_and_hears_nothing_more():
    """And the leg can be watched anew."""
    book = LegBook()
    watch = book.watch(LEG)
    watch.close()
    book.deliver(ENDED)

    assert await everything(watch) == []
    book.watch(LEG)


async def test_a_watch_that_is_closed_twice_leaves_its_successor_alone():
    """The second close comes from whoever cleans up."""
    book = LegBook()
    first = book.watch(LEG)
    first.close()
    second = book.watch(LEG)
    first.close()
    book.deliver(ENDED)

    assert await everything(second) == [ENDED]


def test_two_watches_on_one_leg_are_a_defect():
    """The second would steal the first one's events."""
    book = LegBook()
    book.watch(LEG)
    with pytest.raises(InternalError):
        book.watch(LEG)


async def test_a_flood_of_digits_is_cut_and_the_end_still_comes():
    """What a party presses must not fill our memory."""
    book = LegBook()
    watch = book.watch(LEG)
    for _ in range(MAX_WAITING_DIGITS + 7):
        book.deliver(LegDigit(LEG, "5"))
    book.deliver(ENDED)

    events = await everything(watch)
    assert len(events) == MAX_WAITING_DIGITS + 1
    assert events[-1] == ENDED
    assert watch.dropped_digits == 7


async def test_what_is_held_comes_after_what_it_waited_for():
    """The codec is asked for at the answer; a hang-up in that moment must not overtake it."""
    book = LegBook()
    watch = book.watch(LEG)
    watch.hold()
    book.deliver(ENDED)
    watch.release(LegAnswered(LEG, wideband=True))

    assert await everything(watch) == [LegAnswered(LEG, wideband=True), ENDED]


async def test_a_discarded_leg_tells_nothing():
    """Its outcome was raised as an error."""
    book = LegBook()
    watch = book.watch(LEG)
    book.deliver(LegRinging(LEG))
    book.discard(LEG)
    book.deliver(ENDED)
    watch.close()

    assert await everything(watch) == []


def test_only_legs_that_the_pbx_had_can_be_lost():
    """A leg that is watched but not made yet is not missing."""
    book = LegBook()
    book.watch(LEG)
    assert book.existing() == set()
    book.mark_existing(LEG)

    assert book.existing() == {LEG}


async def test_an_arrival_is_told_to_whoever_waits():
    """And to nobody twice."""
    book = LegBook()
    arrival = book.expect(LEG)

    assert book.arrived(LEG)
    assert not book.arrived(LEG)
    assert await arrival


async def test_a_leg_that_ends_first_does_not_arrive():
    """Its waiter learns so at once."""
    book = LegBook()
    arrival = book.expect(LEG)
    book.deliver(ENDED)

    assert not await arrival
