"""Promises about audio: both ways, paced, marked, flushed, held back, lost and closed."""

from __future__ import annotations

import asyncio

import pytest
from pbx_kit import World, fresh, sound, stays, until

from trunkline.audio.formats import ALAW_8K, SLIN_8K, SLIN_16K, ULAW_8K, AudioFormat
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, LegId
from trunkline.pbx.port import LegEnded

FORMATS = [ULAW_8K, ALAW_8K, SLIN_8K, SLIN_16K]


@pytest.mark.parametrize("audio", FORMATS, ids=lambda audio: audio.asterisk_name)
async def test_a_party_is_heard_and_hears_us(world: World, audio: AudioFormat):
    """What we say comes back from one who echoes, in our format, whole frames."""
    async with world.talk("echo", audio) as talk:
        await talk.line.answered()
        await talk.channel.send(sound(audio, 600))
        await until(lambda: talk.ear.loud_ms() >= 400)

        assert talk.channel.audio == audio
        assert len(talk.ear.heard) % audio.frame_bytes == 0


async def test_a_party_is_heard_from_its_first_frame(world: World):
    """A leg that is in its bridge before it is dialled loses nothing at the answer."""
    async with world.talk("early_media") as talk:
        await until(lambda: talk.ear.loud_ms() > 100)

        assert "LegAnswered" not in talk.line.kinds()


async def test_two_channels_in_one_bridge_hear_each_other(world: World):
    """About as much as was sent, and nobody hears himself."""
    async with (
        world.bridge() as bridge_id,
        world.media(bridge_id) as (one, ear),
        world.media(bridge_id) as (_, other),
    ):
        await one.send(sound(ULAW_8K, 500))
        await until(lambda: other.loud_ms() >= 400)
        await stays(lambda: other.loud_ms() <= 540 and ear.loud_ms() == 0, for_s=0.3)


async def test_playback_is_paced_and_marks_come_when_it_is_due(world: World):
    """A second sent at once takes a second; marks come in order, none much before its sound was played."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (channel, ear):
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(5):
            await channel.send(sound(ULAW_8K, 200))
            await channel.mark(f"m{number}")
        await until(lambda: len(ear.marks) == 5)

        assert ear.marks == ["m0", "m1", "m2", "m3", "m4"]
        for number, at_s in enumerate(ear.marked_at, 1):
            assert at_s - began_s >= number * 0.2 - 0.06


async def test_a_mark_behind_nothing_comes_at_once(world: World):
    """What was sent before it, nothing, was played."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (channel, ear):
        await channel.mark("m" * 40)
        await until(lambda: ear.marks == ["m" * 40])


async def test_a_flush_stops_the_sound_and_takes_the_marks_with_it(world: World):
    """Three seconds queued, flushed at once: less than one is heard, the mark never comes, and later audio plays."""
    async with (
        world.bridge() as bridge_id,
        world.media(bridge_id) as (channel, ear),
        world.media(bridge_id) as (_, other),
    ):
        loop = asyncio.get_running_loop()
        await channel.send(sound(ULAW_8K, 3000))
        await channel.mark("never")
        await until(lambda: other.loud_ms() > 40)
        began_s = loop.time()
        await channel.flush()
        took_s = loop.time() - began_s
        await asyncio.sleep(0.1)
        heard_ms = other.loud_ms()

        assert took_s < 1.0
        assert heard_ms < 1500
        await stays(lambda: other.loud_ms() == heard_ms, for_s=0.3)
        await channel.send(sound(ULAW_8K, 200))
        await channel.mark("after")
        await until(lambda: ear.marks == ["after"])
        assert other.loud_ms() >= heard_ms + 100


async def test_a_full_queue_asks_us_to_stop_and_later_to_go_on(world: World):
    """Nineteen seconds ahead is too much; a flush makes room."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (channel, ear):
        for _ in range(19):
            await channel.send(sound(ULAW_8K, 1000))
        await until(lambda: ear.flow == [True])
        await channel.flush()
        await channel.send(sound(ULAW_8K, 100))
        await until(lambda: ear.flow == [True, False])


@pytest.mark.parametrize("audio", [ULAW_8K, SLIN_16K], ids=lambda audio: audio.asterisk_name)
async def test_only_whole_frames_are_taken(world: World, audio: AudioFormat):
    """A broken frame would be lost without a word."""
    async with world.bridge() as bridge_id, world.media(bridge_id, audio) as (channel, _):
        with pytest.raises(ValueError, match="frame"):
            await channel.send(bytes(audio.frame_bytes - 2))


@pytest.mark.parametrize("mark_id", ["", "m" * 41, "ü"])
async def test_only_short_ascii_marks_are_taken(world: World, mark_id: str):
    """A longer one would be lost without a word."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (channel, _):
        with pytest.raises(ValueError, match="ASCII"):
            await channel.mark(mark_id)


async def test_a_closed_channel_is_gone_and_nobody_calls_it_lost(world: World):
    """Closing twice is no error; its leg leaves the PBX; sending then fails."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (channel, ear):
        assert channel.leg_id in await world.leg_ids()
        await channel.close()
        await channel.close()
        await world.gone(channel.leg_id)

        assert ear.lost == []
        with pytest.raises(UpstreamError):
            await channel.send(sound(ULAW_8K, 20))


async def test_a_lost_channel_is_told_and_the_caller_stays(world: World):
    """Our leg is taken away; the party is still in the bridge, and a new channel under a new id hears it."""
    async with world.talk("tone") as talk:
        await talk.line.answered()
        await until(lambda: talk.ear.loud_ms() > 40)
        await world.pbx.hang_up(talk.channel.leg_id)
        await until(lambda: talk.ear.lost)

        assert not talk.line.has(LegEnded)
        async with world.media(talk.bridge_id) as (_, second):
            await until(lambda: second.loud_ms() > 40)
        assert len(talk.ear.lost) == 1


async def test_audio_needs_an_open_bridge(world: World):
    """Refused, and nothing stays behind."""
    with pytest.raises(UpstreamError):
        async with world.media(BridgeId(fresh("no-bridge"))):
            pass


async def test_a_party_that_hangs_up_leaves_our_channel_alone(world: World):
    """The bridge empties by one; ours goes on."""
    async with world.talk("tone") as talk:
        await talk.line.answered()
        await until(lambda: talk.ear.loud_ms() > 40)
        await world.pbx.hang_up(talk.line.leg_id)
        await talk.line.ended()
        await talk.channel.send(sound(ULAW_8K, 60))
        await talk.channel.mark("on")
        await until(lambda: talk.ear.marks == ["on"])

        assert talk.ear.lost == []


async def test_the_legs_of_media_are_in_the_snapshot(world: World):
    """So that a lost one can be found and hung up."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (channel, _):
        assert {leg.leg_id: leg.ours for leg in (await world.pbx.snapshot()).legs} == {
            LegId(channel.leg_id): True
        }
