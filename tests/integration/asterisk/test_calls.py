"""Calls through a real Asterisk, judged by what the carrier recorded."""

from __future__ import annotations

import asyncio
import time

import pytest
from asterisk_kit import TRUNK, Desk, Ear, fresh, loud_ms, tone, until

from trunkline.audio.formats import ULAW_8K
from trunkline.core.errors import InternalError, UpstreamError
from trunkline.core.ids import LegId, TrunkId
from trunkline.local_pbx import carrier, instance
from trunkline.local_pbx.subscribers import subscriber
from trunkline.pbx.port import LegDigit, LegEnded, TrunkSpec

pytestmark = pytest.mark.asterisk

SILENT = subscriber("silent").number


async def heard_by(desk: Desk, number: str, before: int):
    """The carrier's recording of the call that just ended: what the subscriber heard."""
    take = await asyncio.to_thread(carrier.wait_for_take, desk.pair.carrier, number, after=before)
    return take.heard


def calls_so_far(desk: Desk, number: str) -> int:
    return len(carrier.takes(desk.pair.carrier, number))


async def test_the_first_word_after_the_answer_is_heard_whole(desk: Desk):
    """The leg is in its bridge before it is dialled, so a greeting that is sent at the answer loses nothing."""
    before = calls_so_far(desk, SILENT)
    async with desk.talk("silent") as (channel, ear, line, _):
        await line.answered()
        await channel.send(tone(1000))
        await channel.mark("said")
        await until(lambda: ear.marks == ["said"])
        await asyncio.sleep(0.2)

    assert loud_ms(await heard_by(desk, SILENT, before), 440) >= 960


async def test_a_flush_is_heard_at_once_at_the_far_end(desk: Desk):
    """Of ten seconds that were queued, little more than half a second arrives."""
    before = calls_so_far(desk, SILENT)
    async with desk.talk("silent") as (channel, ear, line, _):
        await line.answered()
        await channel.send(tone(200))
        await channel.mark("begun")
        await channel.send(tone(10_000))
        await until(lambda: ear.marks == ["begun"])
        asked_s = time.monotonic()
        await channel.flush()
        took_s = time.monotonic() - asked_s
        await asyncio.sleep(0.3)

    assert took_s < 0.25
    assert 200 <= loud_ms(await heard_by(desk, SILENT, before)) < 800


async def test_a_party_hears_ringing_hold_music_and_us_again(desk: Desk):
    """Each begins and ends when told, while the leg stays in its bridge."""
    before = calls_so_far(desk, SILENT)
    async with desk.talk("silent") as (channel, ear, line, bridge_id):
        await line.answered()
        for begin, end in (
            (lambda: desk.pbx.start_ringback(line.leg_id), lambda: desk.pbx.stop_ringback(line.leg_id)),
            (lambda: desk.pbx.hold(line.leg_id), lambda: desk.pbx.resume(line.leg_id)),
            (lambda: desk.pbx.start_music(bridge_id), lambda: desk.pbx.stop_music(bridge_id)),
        ):
            await begin()
            await asyncio.sleep(0.6)
            await end()
        await channel.send(tone(500))
        await channel.mark("last")
        await until(lambda: "last" in ear.marks)
        await asyncio.sleep(0.2)

    heard = await heard_by(desk, SILENT, before)
    ours = loud_ms(heard, 440)
    assert 400 <= ours < 1600
    assert loud_ms(heard) - ours > 600


async def test_digits_arrive_at_the_far_end(desk: Desk):
    """The menu writes down what it was sent."""
    folder = desk.pair.carrier.spool_here / "digits"
    before = set(folder.glob("*.txt"))
    async with desk.talk("ivr") as (_, ear, line, __):
        await line.answered()
        await until(lambda: ear.loud_ms() > 500)
        await desk.pbx.send_digits(line.leg_id, "4711#")
        await until(lambda: set(folder.glob("*.txt")) - before)

    (written,) = set(folder.glob("*.txt")) - before
    assert written.read_text().strip() == "4711"


async def test_digits_of_the_party_are_told_by_leg_and_by_channel(desk: Desk):
    """Each once, in order, while we are silent."""
    number = "+31209990001"
    for step, application in enumerate(("Answer()", "Wait(0.3)", "SendDTMF(15*#,150,120)", "Wait(20)"), 1):
        command = f"dialplan add extension {number},{step},{application} into carrier"
        await asyncio.to_thread(instance.command_line, desk.pair.carrier, command)
    async with desk.talk("keys", destination=number) as (_, ear, line, __):
        await line.answered()
        await until(lambda: len(ear.digits) == 4)
        await asyncio.sleep(0.3)

    assert ear.digits == "15*#"
    assert "".join(event.digit for event in line.events if isinstance(event, LegDigit)) == "15*#"


async def test_a_caller_is_handed_from_us_to_another_party(desk: Desk):
    """Our audio leaves the bridge, the second party comes in; the first hears its tone and not a moment of us."""
    before = calls_so_far(desk, SILENT)
    async with desk.talk("silent") as (channel, _, line, bridge_id), desk.call("tone") as target:
        await line.answered()
        await target.answered()
        await desk.pbx.join(bridge_id, target.leg_id)
        await channel.close()
        await asyncio.sleep(0.8)
        assert not line.has(LegEnded)

    assert loud_ms(await heard_by(desk, SILENT, before), 1000) > 500


async def test_a_sip_uri_is_dialled_through_the_trunk(desk: Desk):
    """The user part reaches the far side as it is."""
    place = f"{desk.pair.carrier.host}:{desk.pair.carrier.sip_port}"
    async with desk.call("echo", destination=f"sip:{subscriber('echo').number}@{place}") as line:
        await line.answered()


async def test_a_leg_of_a_trunk_that_was_removed_is_refused(desk: Desk):
    """A trunk works as soon as it was put, and not after it was removed; removing it twice is no error."""
    spec = TrunkSpec(TrunkId("träger/2"), desk.pair.carrier.host, desk.pair.carrier.sip_port)
    await desk.pbx.put_trunk(spec)
    await desk.pbx.put_trunk(spec)
    async with desk.call("echo", trunk_id=spec.id) as line:
        await line.answered()
    await desk.pbx.remove_trunk(spec.id)
    await desk.pbx.remove_trunk(spec.id)

    with pytest.raises(UpstreamError) as caught:
        async with desk.call("echo", trunk_id=spec.id):
            pass
    assert caught.value.retryable


async def test_a_trunk_that_answers_is_reachable_and_says_how_fast(desk: Desk):
    """It is asked at once when it is put."""
    async with asyncio.timeout(5):
        while not (status := await desk.pbx.trunk_status(TRUNK)).reachable:
            await asyncio.sleep(0.05)

    assert status.rtt_ms is not None
    assert status.reason is None


async def test_a_registration_that_nobody_accepts_is_told(desk: Desk):
    """With a sentence, and without the password."""
    spec = TrunkSpec(
        TrunkId("reg"),
        desk.pair.carrier.host,
        desk.pair.carrier.sip_port,
        username="harbour",
        password="pw",
        register=True,
    )
    await desk.pbx.put_trunk(spec)
    try:
        status = await desk.pbx.trunk_status(spec.id)
    finally:
        await desk.pbx.remove_trunk(spec.id)

    assert status.registered is False
    assert status.reason is not None
    assert "Registration" in status.reason


async def test_a_media_id_is_never_used_twice(desk: Desk):
    """Asterisk would crash."""
    async with desk.talk("echo") as (channel, _, line, bridge_id):
        await line.answered()
        with pytest.raises(InternalError):
            await desk.pbx.open_media(channel.leg_id, bridge_id, ULAW_8K, Ear())


async def test_a_call_that_comes_in_goes_to_the_dialplan_s_fallback(desk: Desk):
    """Nobody here takes such calls yet, so the caller hears the apology rather than silence."""
    before = calls_so_far(desk, SILENT)
    await asyncio.to_thread(
        carrier.place_call, desk.pair.carrier, caller="+31201000014", number="+4930123456", behaves_as=SILENT
    )
    async with asyncio.timeout(10):
        while calls_so_far(desk, SILENT) == before:
            await asyncio.sleep(0.1)

    assert loud_ms(await heard_by(desk, SILENT, before)) > 500


async def test_an_unknown_bridge_or_leg_is_refused(desk: Desk):
    """By the PBX's own word."""
    with pytest.raises(UpstreamError):
        await desk.pbx.start_ringback(LegId(fresh("nobody")))


async def test_no_call_waits_for_a_name_server(desk: Desk):
    """Asterisk looks up its host's name for each RTP session; where the network must be asked, some calls take seconds."""
    async with desk.call("echo") as line:
        await line.answered()

    assert "Unable to lookup" not in desk.pair.pbx.log_path.read_text(errors="replace")
