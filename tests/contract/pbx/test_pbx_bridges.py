"""Promises about bridges, the PBX's own recordings, and trunks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pbx_kit import Ear, World, fresh, sound, stays, until

from trunkline.audio.formats import ULAW_8K
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.pbx.port import LegEnded


async def quiet(ear: Ear, for_s: float = 0.3) -> None:
    """What is on its way may still come; after that nothing is heard."""
    await asyncio.sleep(0.2)
    ear.forget()
    await stays(lambda: ear.loud_ms() == 0, for_s=for_s)


async def test_a_leg_moves_from_one_bridge_to_another(world: World):
    """Heard in the second, no longer in the first."""
    async with world.bridge() as second, world.media(second) as (_, there), world.talk("tone") as talk:
        await talk.line.answered()
        await until(lambda: talk.ear.loud_ms() > 40)
        assert there.loud_ms() == 0

        await world.pbx.join(second, talk.line.leg_id)
        await until(lambda: there.loud_ms() > 40)
        await quiet(talk.ear)


async def test_a_leg_that_leaves_its_bridge_stays_up(world: World):
    """Not heard, not ended, and it can come back."""
    async with world.talk("tone") as talk:
        await talk.line.answered()
        await until(lambda: talk.ear.loud_ms() > 40)
        await world.pbx.leave(talk.bridge_id, talk.line.leg_id)
        await quiet(talk.ear)
        assert not talk.line.has(LegEnded)

        await world.pbx.join(talk.bridge_id, talk.line.leg_id)
        await until(lambda: talk.ear.loud_ms() > 40)


async def test_two_parties_in_one_bridge_need_no_audio_of_ours(world: World):
    """A transfer: the tone of one reaches the other, whose echo comes back to a listener."""
    async with (
        world.bridge() as bridge_id,
        world.call("tone", bridge_id=bridge_id) as one,
        world.call("echo", bridge_id=bridge_id) as other,
    ):
        await one.answered()
        await other.answered()
        recording = await world.pbx.start_recording(other.leg_id, fresh("transfer"))
        await asyncio.sleep(0.6)
        await world.pbx.stop_recording(recording)

        samples, _ = soundfile.read(recording.sent_path, dtype="int16")
        assert np.abs(samples.astype(int)).mean() > 500


async def test_a_closed_bridge_leaves_its_legs_up(world: World):
    """And closing it again is no error."""
    async with world.bridge() as bridge_id, world.call("echo", bridge_id=bridge_id) as line:
        await line.answered()
        await world.pbx.close_bridge(bridge_id)
        await world.pbx.close_bridge(bridge_id)
        assert bridge_id not in (await world.pbx.snapshot()).bridges
        await stays(lambda: not line.has(LegEnded), for_s=0.2)

        assert line.leg_id in await world.leg_ids()


async def test_a_muted_party_is_not_heard(world: World):
    """Until it is unmuted."""
    async with world.talk("tone") as talk:
        await talk.line.answered()
        await until(lambda: talk.ear.loud_ms() > 40)
        await world.pbx.mute(talk.line.leg_id)
        await quiet(talk.ear)

        await world.pbx.unmute(talk.line.leg_id)
        await until(lambda: talk.ear.loud_ms() > 40)


async def test_music_can_be_started_and_stopped(world: World):
    """Stopping what does not play is no error."""
    async with world.bridge() as bridge_id, world.media(bridge_id) as (_, ear):
        await world.pbx.stop_music(bridge_id)
        await world.pbx.start_music(bridge_id)
        await until(lambda: ear.loud_ms() > 100)
        await world.pbx.stop_music(bridge_id)
        await quiet(ear)
        await world.pbx.stop_music(bridge_id)


@pytest.mark.parametrize("verb", ["join", "leave"])
async def test_a_leg_that_is_not_there_cannot_be_moved(world: World, verb: str):
    """The PBX refuses."""
    async with world.bridge() as bridge_id:
        with pytest.raises(UpstreamError):
            await getattr(world.pbx, verb)(bridge_id, LegId(fresh("nobody")))


async def test_a_bridge_that_is_not_there_cannot_be_joined(world: World):
    """The leg stays where it was."""
    async with world.talk("tone") as talk:
        await talk.line.answered()
        with pytest.raises(UpstreamError):
            await world.pbx.join(BridgeId(fresh("no-bridge")), talk.line.leg_id)
        talk.ear.forget()
        await until(lambda: talk.ear.loud_ms() > 40)


async def test_the_pbx_records_both_directions_apart(world: World):
    """What the party said in one file, what it heard in the other: mono, 8 kHz, whole when stopped."""
    async with world.talk("tone") as talk:
        await talk.line.answered()
        recording = await world.pbx.start_recording(talk.line.leg_id, fresh("recording"))
        await asyncio.sleep(0.4)
        await talk.channel.send(sound(ULAW_8K, 400))
        await asyncio.sleep(0.8)
        await world.pbx.stop_recording(recording)

        said, said_hz = soundfile.read(recording.received_path, dtype="int16")
        heard, heard_hz = soundfile.read(recording.sent_path, dtype="int16")
        assert (said_hz, heard_hz, said.ndim, heard.ndim) == (8000, 8000, 1, 1)
        loud = [np.abs(part.astype(int)) > 500 for part in (said, heard)]
        assert loud[0].mean() > 0.6
        assert 0.15 * 8000 < loud[1].sum() < 0.6 * 8000
        assert 0.8 < len(said) / 8000 < 3.0


async def test_a_recording_of_a_leg_that_is_gone_can_be_stopped(world: World):
    """The files are there, and stopping is no error."""
    async with world.call("tone") as line:
        await line.answered()
        recording = await world.pbx.start_recording(line.leg_id, fresh("recording"))
        await asyncio.sleep(0.3)
        await world.pbx.hang_up(line.leg_id)
        await line.ended()
        await world.pbx.stop_recording(recording)

        assert Path(recording.received_path).is_file()


async def test_a_leg_that_is_not_there_cannot_be_recorded(world: World):
    """The PBX refuses."""
    with pytest.raises(UpstreamError):
        await world.pbx.start_recording(LegId(fresh("nobody")), fresh("recording"))


async def test_a_trunk_works_at_once_and_until_it_is_removed(world: World):
    """Putting it twice and removing it twice are no errors; a call without it is refused."""
    extra = TrunkId(f"trk-{fresh('extra')}")
    spec = type(world.trunk)(extra, world.trunk.host, world.trunk.port, codecs=world.trunk.codecs)
    await world.pbx.put_trunk(spec)
    await world.pbx.put_trunk(spec)
    async with world.call("echo", trunk_id=extra) as line:
        await line.answered()
    await world.pbx.remove_trunk(extra)
    await world.pbx.remove_trunk(extra)

    try:
        async with world.call("echo", trunk_id=extra) as line:
            await line.ended()
    except UpstreamError as error:
        assert error.retryable
    else:
        assert "LegAnswered" not in line.kinds()


async def test_the_state_of_a_trunk_is_known(world: World):
    """Reachable once it was asked; one that is not there is not."""
    async with asyncio.timeout(10):
        while not (status := await world.pbx.trunk_status(world.trunk.id)).reachable:
            await asyncio.sleep(0.1)
    absent = await world.pbx.trunk_status(TrunkId("trk-nowhere"))

    assert status.registered is None
    assert not absent.reachable


async def test_a_pbx_that_is_up_is_healthy(world: World):
    """Connected, with its version and its start."""
    health = await world.pbx.health()

    assert health.connected
    assert health.version
    assert health.started_at is not None
    assert world.pbx.node
