"""What is told when connections break and when the PBX dies."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from asterisk_kit import TRUNK, Desk, connected, restarted, tone, until
from http_relay import EVENTS, MEDIA, Relay

from trunkline.core.clock import SystemClock
from trunkline.core.errors import UpstreamError
from trunkline.local_pbx import instance
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import settings_for
from trunkline.pbx.asterisk import node
from trunkline.pbx.asterisk.pbx import AsteriskPbx
from trunkline.pbx.hangup import PBX_LOST
from trunkline.pbx.port import LegAnswered, LegEnded, LegRinging, TrunkSpec
from trunkline.settings import Media, PbxSection

pytestmark = pytest.mark.asterisk


async def disconnected(desk: Desk) -> None:
    async with asyncio.timeout(5):
        while (await desk.pbx.health()).connected:
            await asyncio.sleep(0.02)


async def reconnected(desk: Desk) -> None:
    async with asyncio.timeout(15):
        while not (await desk.pbx.health()).connected:
            await asyncio.sleep(0.02)


async def test_a_cut_event_socket_costs_no_call(pbx_pair: Pair):
    """Audio goes on, the answer that was missed is told, and the end that comes later too, once each."""
    relay = Relay(pbx_pair.pbx.host, pbx_pair.pbx.http_port)
    async with (
        relay.listening() as port,
        connected(pbx_pair, ari_url=f"http://127.0.0.1:{port}") as desk,
        desk.talk("early_media") as (_, ear, line, __),
    ):
        relay.refuse(EVENTS)
        assert relay.cut(EVENTS) == 1
        await disconnected(desk)
        await until(lambda: ear.loud_ms() > 100)
        async with asyncio.timeout(10):
            while {leg.state for leg in (await desk.pbx.snapshot()).legs} != {"answered"}:
                await asyncio.sleep(0.05)
        assert not line.has(LegAnswered)
        relay.admit(EVENTS)
        await reconnected(desk)
        await line.answered()
        await desk.pbx.hang_up(line.leg_id)
        await line.ended()

    assert [type(event) for event in line.events].count(LegAnswered) == 1
    assert ear.lost == []


async def test_a_leg_that_ended_while_nobody_listened_is_told_as_lost(pbx_pair: Pair):
    """Why it ended can't be known any more."""
    relay = Relay(pbx_pair.pbx.host, pbx_pair.pbx.http_port)
    async with (
        relay.listening() as port,
        connected(pbx_pair, ari_url=f"http://127.0.0.1:{port}") as desk,
        desk.call("quick") as line,
    ):
        await line.answered()
        relay.refuse(EVENTS)
        relay.cut(EVENTS)
        await asyncio.sleep(2.5)  # the far side hangs up meanwhile
        assert not line.has(LegEnded)
        relay.admit(EVENTS)
        end = await line.ended()

    assert end.hangup == PBX_LOST


async def test_a_pbx_that_stays_away_counts_as_lost(pbx_pair: Pair, monkeypatch: pytest.MonkeyPatch):
    """Nobody waits for ever; and no new leg is made that nobody could follow."""
    monkeypatch.setattr(node, "_LOST_AFTER_S", 0.3)
    relay = Relay(pbx_pair.pbx.host, pbx_pair.pbx.http_port)
    async with (
        relay.listening() as port,
        connected(pbx_pair, ari_url=f"http://127.0.0.1:{port}") as desk,
        desk.call("echo") as line,
    ):
        await line.answered()
        relay.refuse(EVENTS)
        relay.cut(EVENTS)
        end = await line.ended()
        with pytest.raises(UpstreamError) as caught:
            async with desk.call("echo"):
                pass
        relay.admit(EVENTS)
        await reconnected(desk)

    assert end.hangup == PBX_LOST
    assert caught.value.retryable


async def test_a_cut_audio_socket_leaves_the_caller_up(pbx_pair: Pair):
    """The loss is told once, a new channel joins the same bridge, and the talk goes on."""
    relay = Relay(pbx_pair.pbx.host, pbx_pair.pbx.http_port)
    async with (
        relay.listening() as port,
        connected(pbx_pair, ari_url=f"http://127.0.0.1:{port}") as desk,
        desk.talk("echo") as (channel, ear, line, bridge_id),
    ):
        await line.answered()
        assert relay.cut(MEDIA) == 1
        await until(lambda: ear.lost)
        with pytest.raises(UpstreamError):
            await channel.send(tone(20))
        assert not line.has(LegEnded)
        second = type(ear)()
        again = await desk.pbx.open_media(
            type(line.leg_id)(f"{channel.leg_id}-again"), bridge_id, channel.audio, second
        )
        await again.send(tone(300))
        await until(lambda: second.loud_ms() > 200)
        await again.close()

    assert len(ear.lost) == 1


async def test_audio_that_can_not_be_opened_leaves_nothing_behind(pbx_pair: Pair):
    """The socket is refused; the order fails, and its leg is gone."""
    relay = Relay(pbx_pair.pbx.host, pbx_pair.pbx.http_port)
    async with relay.listening() as port, connected(pbx_pair, ari_url=f"http://127.0.0.1:{port}") as desk:
        relay.refuse(MEDIA)
        with pytest.raises(UpstreamError):
            async with desk.talk("echo"):
                pass
        for leg in (await desk.pbx.snapshot()).bridges:
            await desk.pbx.close_bridge(leg)


async def test_a_killed_pbx_ends_every_leg_once_and_is_used_again(own_pair: Pair):
    """No goodbye was said; after the restart each watcher hears `pbx_lost`, and the trunk is there without being put again."""
    async with connected(own_pair) as desk:
        async with desk.talk("echo") as (_, ear, line, bridge_id), desk.call("ringer") as other:
            await line.answered()
            await until(lambda: other.has(LegRinging))
            # By the state on disk: an earlier test may have restarted it.
            state = instance.status(own_pair.pbx.name)
            assert state is not None
            os.kill(state.pid, signal.SIGKILL)
            await until(lambda: ear.lost)
            await disconnected(desk)
            with pytest.raises(UpstreamError) as caught:
                await desk.pbx.open_bridge(bridge_id)
            assert caught.value.retryable
            await asyncio.to_thread(restarted, own_pair)
            ends = [await line.ended(15), await other.ended(1)]
            await reconnected(desk)
        assert [end.hangup for end in ends] == [PBX_LOST, PBX_LOST]

        async with desk.talk("echo") as (channel, ear, line, _):
            await line.answered()
            await channel.send(tone(300))
            await until(lambda: ear.loud_ms() > 200)


async def test_an_answer_tells_that_the_codec_is_wideband(own_pair: Pair):
    """The carrier speaks G.722 too; the trunk that prefers it gets it."""
    config = own_pair.carrier.here / "etc" / "pjsip.conf"
    config.write_text(config.read_text().replace("ulaw,alaw", "ulaw,alaw,g722"))
    await asyncio.to_thread(instance.command_line, own_pair.carrier, "module reload res_pjsip.so")
    carrier = own_pair.carrier
    async with connected(own_pair) as desk:
        await desk.pbx.put_trunk(TrunkSpec(TRUNK, carrier.host, carrier.sip_port, codecs=("g722", "ulaw")))
        async with desk.call("echo") as line:
            await line.answered()
            quality = await desk.pbx.leg_quality(line.leg_id)
            await desk.pbx.hang_up(line.leg_id)
            await line.ended()

    assert line.events[0] == LegAnswered(line.leg_id, wideband=True)
    assert quality is not None
    assert quality.codec == "g722"


async def test_a_pbx_that_is_away_does_not_keep_the_service_from_starting(own_pair: Pair):
    """It says so, refuses orders as retryable, and closes cleanly."""
    changes = {"ari_url": "http://127.0.0.1:1", "ami_port": 1, "connect_timeout_s": 0.3}
    pbx = AsteriskPbx(PbxSection(**{**settings_for(own_pair.pbx), **changes}), Media(), SystemClock())
    await pbx.start()
    health = await pbx.health()
    with pytest.raises(UpstreamError) as caught:
        await pbx.put_trunk(TrunkSpec(TRUNK, "127.0.0.1", 5060))
    await pbx.close()

    assert not health.connected
    assert health.detail is not None
    assert caught.value.retryable
