"""Promises about legs: every ending told once, with the right cause, whatever happens."""

from __future__ import annotations

import asyncio

import pytest
from pbx_kit import PATIENCE_S, World, fresh, stays, until

from trunkline.core.errors import InvalidField, UpstreamError
from trunkline.core.ids import LegId, TrunkId
from trunkline.pbx.hangup import Q850, unanswered
from trunkline.pbx.port import LegAnswered, LegEarlyMedia, LegEnded, LegRinging


async def test_a_leg_that_answers_is_told_and_ends_when_we_hang_up(world: World):
    """Answer, then one end with the cause we gave, then the watch stops."""
    async with world.call("echo") as line:
        await line.answered()
        await world.pbx.hang_up(line.leg_id)
        end = await line.ended()

    assert (end.hangup.q850, end.hangup.cause) == (16, "normal_clearing")
    assert line.kinds()[-2:] == ["LegAnswered", "LegEnded"]
    assert line.kinds().count("LegEnded") == 1


@pytest.mark.parametrize(
    ("behaviour", "sip", "reason"),
    [
        ("busy", 486, "busy"),
        ("decliner", 603, "declined"),
        ("unknown", 404, "invalid_number"),
        ("congested", 503, "dial_failed"),
        ("forbidden", 403, "rejected"),
    ],
)
async def test_a_refusal_is_told_with_its_sip_status(world: World, behaviour: str, sip: int, reason: str):
    """Exactly one end, never an answer, and a cause that leads to the right reason."""
    async with world.call(behaviour) as line:
        end = await line.ended()
        await stays(lambda: line.kinds().count("LegEnded") == 1, for_s=0.1)

    assert end.hangup.sip == sip
    assert unanswered(end.hangup)[0] == reason
    assert not line.has(LegAnswered)


async def test_nobody_answers_in_time(world: World):
    """Ringing, then the end with cause 19 after the ring time-out, no sooner."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with world.call("ringer", ring_timeout_s=1) as line:
        end = await line.ended()

    assert line.kinds() == ["LegRinging", "LegEnded"]
    assert (end.hangup.q850, unanswered(end.hangup)[0]) == (19, "no_answer")
    assert loop.time() - began_s >= 0.9


async def test_a_ringing_leg_can_be_hung_up(world: World):
    """Our cancel ends it once."""
    async with world.call("ringer") as line:
        await until(lambda: line.has(LegRinging))
        await world.pbx.hang_up(line.leg_id)
        await line.ended()

    assert line.kinds() == ["LegRinging", "LegEnded"]


async def test_hanging_up_what_is_gone_is_no_error(world: World):
    """Twice, and for a leg that never was."""
    async with world.call("echo") as line:
        await line.answered()
        await world.pbx.hang_up(line.leg_id, Q850.USER_BUSY)
        await world.pbx.hang_up(line.leg_id)
        await line.ended()
        await world.pbx.hang_up(line.leg_id)
    await world.pbx.hang_up(LegId(fresh("nobody")))

    assert line.kinds().count("LegEnded") == 1


async def test_the_far_side_hangs_up(world: World):
    """Normal clearing, without us."""
    async with world.call("quick") as line:
        await line.answered()
        end = await line.ended(within_s=2 + PATIENCE_S)

    assert (end.hangup.q850, end.hangup.cause) == (16, "normal_clearing")


async def test_early_media_comes_before_the_answer(world: World):
    """There is sound before anybody picked up."""
    async with world.call("early_media") as line:
        await until(lambda: line.has(LegEarlyMedia))
        assert not line.has(LegAnswered)
        await until(lambda: line.has(LegAnswered), within_s=10 + PATIENCE_S)


async def test_the_pbx_ends_a_call_that_lasts_too_long(world: World):
    """Even if we were gone: the limit counts from the dial, in whole seconds."""
    async with world.call("echo", max_duration_s=1) as line:
        await line.answered()
        await line.ended(within_s=3 + PATIENCE_S)


@pytest.mark.parametrize(
    "wrong", [{"trunk_id": TrunkId("trk-nowhere")}, {"bridge_id": "tl-contract-no-bridge"}]
)
async def test_an_order_that_cannot_be_carried_out_is_refused_or_ends_but_not_both(world: World, wrong: dict):
    """An unknown trunk, a bridge that is not open; nothing of the leg stays."""
    refusals, line = 0, None
    try:
        async with world.call("echo", **wrong) as line:
            await line.ended()
    except UpstreamError:
        refusals += 1

    assert refusals + (line is not None and line.has(LegEnded)) == 1


async def test_many_legs_keep_their_own_events(world: World):
    """Ten at once, each with its own end."""
    async with asyncio.TaskGroup() as tasks:

        async def one(behaviour: str, sip: int | None) -> None:
            async with world.call(behaviour) as line:
                if sip is None:
                    await line.answered()
                    await world.pbx.hang_up(line.leg_id)
                end = await line.ended(within_s=2 * PATIENCE_S)
                assert end.leg_id == line.leg_id
                assert end.hangup.sip == sip

        for _ in range(5):
            tasks.create_task(one("busy", 486))
            tasks.create_task(one("echo", None))


async def test_what_is_up_is_in_the_snapshot(world: World):
    """Legs and bridges of ours, until they are gone."""
    async with world.bridge() as bridge_id, world.call("echo", bridge_id=bridge_id) as line:
        await line.answered()
        snapshot = await world.pbx.snapshot()
        known = {leg.leg_id: leg for leg in snapshot.legs}

        assert known[line.leg_id].ours
        assert known[line.leg_id].state == "answered"
        assert bridge_id in snapshot.bridges
        assert snapshot.started_at is not None
        await world.pbx.hang_up(line.leg_id)
        await world.gone(line.leg_id)


async def test_a_live_leg_has_figures(world: World):
    """Packets went both ways; a leg that is gone has none."""
    async with world.bridge() as bridge_id, world.call("echo", bridge_id=bridge_id) as line:
        await line.answered()
        await asyncio.sleep(0.5)
        quality = await world.pbx.leg_quality(line.leg_id)
        await world.pbx.hang_up(line.leg_id)
        await line.ended()
        await world.gone(line.leg_id)

        assert quality is not None
        assert quality.codec == "ulaw"
        assert await world.pbx.leg_quality(line.leg_id) is None


async def test_keys_can_be_sent_and_only_keys(world: World):
    """All sixteen; anything else is the caller's mistake and never reaches the line."""
    async with world.call("silent") as line:
        await line.answered()
        await world.pbx.send_digits(line.leg_id, "0123456789*#ABCD")
        for wrong in ("", "12a", "1,2", "1" * 65):
            with pytest.raises(InvalidField):
                await world.pbx.send_digits(line.leg_id, wrong)


async def test_hold_mute_and_ringback_leave_the_leg_up(world: World):
    """Each done and undone, in order."""
    pbx = world.pbx
    async with world.call("echo") as line:
        await line.answered()
        for verb in (pbx.hold, pbx.resume, pbx.mute, pbx.unmute, pbx.start_ringback, pbx.stop_ringback):
            await verb(line.leg_id)

        assert line.leg_id in await world.leg_ids()
        assert not line.has(LegEnded)
