"""What the simulated PBX has beyond the port's promises: scripts, its death and return, and its price. In virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.unit.conversation.virtual_time import LoopClock, run_virtual

from trunkline.audio.formats import ULAW_8K
from trunkline.audio.g711 import decode_ulaw, encode_ulaw
from trunkline.core.errors import InternalError, UpstreamError
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.local_pbx.subscribers import SUBSCRIBERS
from trunkline.pbx.hangup import Q850
from trunkline.pbx.port import LegDigit, LegEnded, LegEvent, MediaChannel, Originate, TrunkSpec
from trunkline.pbx.simulated.pbx import LOST_AFTER_S, SimulatedPbx
from trunkline.pbx.simulated.sound import frames, is_loud, mix, speech, tone
from trunkline.pbx.simulated.subscriber import (
    BEHAVIOURS,
    Answer,
    AwaitSpeech,
    AwaitTurn,
    HangUp,
    PlayEarly,
    Press,
    Ring,
    Say,
    Step,
    Subscriber,
    Wait,
)

NUMBER = "+31209990001"
LEG, MEDIA, BRIDGE, TRUNK = LegId("tl-leg"), LegId("tl-media"), BridgeId("tl-bridge"), TrunkId("trk")


class Ear:
    """A sink that notes what it hears and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, bool]] = []
        self.marks: list[tuple[str, float]] = []
        self.flow: list[bool] = []
        self.digits = ""
        self.lost: list[str] = []

    def on_audio(self, data: bytes) -> None:
        self.heard.append((asyncio.get_running_loop().time(), is_loud(decode_ulaw(data))))

    def on_mark(self, mark_id: str) -> None:
        self.marks.append((mark_id, asyncio.get_running_loop().time()))

    def on_flow(self, *, paused: bool) -> None:
        self.flow.append(paused)

    def on_digit(self, digit: str) -> None:
        self.digits += digit

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)

    def loud_s(self) -> float:
        return sum(loud for _, loud in self.heard) * 0.02


def order(leg_id: LegId = LEG, **wishes) -> Originate:
    given = {
        "trunk_id": TRUNK,
        "destination": NUMBER,
        "caller_id": None,
        "ring_timeout_s": 30,
        "max_duration_s": 600,
    }
    return Originate(leg_id, **{**given, **wishes})


class Stage:
    """A PBX, a bridge with our media, and one leg that is watched."""

    def __init__(self, pbx: SimulatedPbx, ear: Ear, channel: MediaChannel) -> None:
        self.pbx, self.ear, self.channel = pbx, ear, channel
        self.events: list[tuple[float, LegEvent]] = []
        self.reading: asyncio.Task[None] | None = None

    async def call(self, **wishes) -> None:
        watch = self.pbx.watch(LEG)
        await self.pbx.originate(order(bridge_id=BRIDGE, **wishes))
        self.reading = asyncio.create_task(self._read(watch))

    async def _read(self, watch) -> None:
        async for event in watch:
            self.events.append((round(asyncio.get_running_loop().time(), 2), event))

    def kinds(self) -> list[tuple[float, str]]:
        return [(at, type(event).__name__) for at, event in self.events]


@asynccontextmanager
async def stage(*steps: Step) -> AsyncIterator[Stage]:
    pbx = SimulatedPbx({NUMBER: Subscriber(steps)}, clock=LoopClock(), recordings=Path("/nonexistent"))
    await pbx.start()
    try:
        await pbx.put_trunk(TrunkSpec(TRUNK, "carrier.example", 5060))
        await pbx.open_bridge(BRIDGE)
        ear = Ear()
        on = Stage(pbx, ear, await pbx.open_media(MEDIA, BRIDGE, ULAW_8K, ear))
        yield on
        if on.reading is not None:
            on.reading.cancel()
            await asyncio.gather(on.reading, return_exceptions=True)
    finally:
        await pbx.close()


def play(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await work()

    run_virtual(run())


def test_a_script_is_followed_step_by_step():
    """Each at its time."""

    async def work() -> None:
        async with stage(Wait(0.5), Ring(), Wait(2.0), Answer(), Wait(1.0), HangUp()) as on:
            await on.call()
            await asyncio.sleep(5)

            assert on.kinds() == [(0.5, "LegRinging"), (2.5, "LegAnswered"), (3.5, "LegEnded")]

    play(work)


def test_a_party_says_its_line_to_the_end():
    """Early media of half a second, then speech of a second after the answer."""

    async def work() -> None:
        async with stage(
            PlayEarly(tone(1000, 0.5)), Answer(), Wait(0.2), Say(tone(1000, 1.0)), HangUp()
        ) as on:
            await on.call()
            await asyncio.sleep(5)

            assert [kind for _, kind in on.kinds()] == ["LegEarlyMedia", "LegAnswered", "LegEnded"]
            assert on.ear.loud_s() == pytest.approx(1.5, abs=0.03)
            assert on.events[-1][0] == pytest.approx(1.7, abs=0.1)

    play(work)


def test_a_party_waits_for_its_turn():
    """It speaks once we spoke and were then silent, and breaks in on speech where its script says so."""

    async def work() -> None:
        async with stage(
            Answer(), AwaitTurn(0.5, 20.0), Say(tone(1000, 0.4)), AwaitSpeech(20.0), HangUp()
        ) as on:
            await on.call()
            await asyncio.sleep(3)
            assert on.ear.loud_s() == 0
            await on.channel.send(encode_ulaw(np.array(tone(500, 1.0))))
            await asyncio.sleep(1.4)
            assert on.ear.loud_s() == 0
            await asyncio.sleep(0.7)
            assert on.ear.loud_s() == pytest.approx(0.4, abs=0.05)
            assert on.kinds()[-1][1] == "LegAnswered"
            await on.channel.send(encode_ulaw(np.array(tone(500, 1.0))))
            await asyncio.sleep(0.3)

            assert on.kinds()[-1][1] == "LegEnded"

    play(work)


def test_a_party_that_is_never_spoken_to_goes_on_by_itself():
    """After its patience."""

    async def work() -> None:
        async with stage(Answer(), AwaitTurn(0.5, 4.0), HangUp()) as on:
            await on.call()
            await asyncio.sleep(10)

            assert on.events[-1][0] == 4.0

    play(work)


def test_keys_reach_the_watch_and_the_media():
    """In order; keys that we send reach the party."""

    async def work() -> None:
        async with stage(Answer(), Wait(0.1), Press("12#")) as on:
            await on.call()
            await on.pbx.send_digits(LEG, "77")
            await asyncio.sleep(1)

            assert [event.digit for _, event in on.events if isinstance(event, LegDigit)] == ["1", "2", "#"]
            assert on.ear.digits == "12#"
            assert on.pbx.party(LEG).digits == "77"

    play(work)


def test_marks_are_passed_when_their_sound_was():
    """To within a frame, in virtual time."""

    async def work() -> None:
        async with stage(Answer()) as on:
            for number in (1, 2, 3):
                await on.channel.send(encode_ulaw(np.array(tone(500, 0.2))))
                await on.channel.mark(f"m{number}")
            await asyncio.sleep(2)

            assert on.ear.marks == [(f"m{n}", pytest.approx(n * 0.2 + 0.02, abs=0.021)) for n in (1, 2, 3)]

    play(work)


def test_a_queue_that_fills_up_says_so_once_and_loses_what_is_too_much():
    """Twenty seconds fit; the sign to go on comes when under sixteen are left."""

    async def work() -> None:
        async with stage(Answer()) as on:
            second = encode_ulaw(np.array(tone(500, 1.0)))
            for _ in range(25):
                await on.channel.send(second)
            await on.channel.mark("end")
            assert on.ear.flow == [True]
            await asyncio.sleep(3.9)
            assert on.ear.flow == [True]
            await asyncio.sleep(0.3)
            assert on.ear.flow == [True, False]
            await asyncio.sleep(20)

            assert on.ear.marks == [("end", pytest.approx(20.0, abs=0.05))]

    play(work)


def test_ringback_hold_and_music_are_heard():
    """By the party whose leg it is, and by everyone in the bridge."""

    async def work() -> None:
        async with stage(Answer()) as on:
            await on.call()
            party = None
            await asyncio.sleep(0.1)
            party = on.pbx.party(LEG)
            recording = await on.pbx.start_recording(LEG, "tape")
            tape = party.tapes[0]

            async def heard() -> bool:
                tape.heard.clear()
                await asyncio.sleep(0.1)
                return all(map(is_loud, tape.heard))

            assert not await heard()
            for start, stop, whom in (
                (on.pbx.start_ringback, on.pbx.stop_ringback, LEG),
                (on.pbx.hold, on.pbx.resume, LEG),
                (on.pbx.start_music, on.pbx.stop_music, BRIDGE),
            ):
                await start(whom)
                assert await heard()
                await stop(whom)
                await asyncio.sleep(0.05)
                assert not await heard()
            assert recording.received_path.endswith("tape-received.wav")

    play(work)


def test_a_pbx_that_died_is_silent_until_it_is_back():
    """Media is lost at once, every verb is refused as safe to try again, and the leg's one end comes with the return."""

    async def work() -> None:
        async with stage(Answer()) as on:
            await on.call()
            await asyncio.sleep(1)
            on.pbx.kill()
            assert len(on.ear.lost) == 1
            for refused in (on.pbx.snapshot(), on.pbx.originate(order(LegId("tl-2"))), on.pbx.hang_up(LEG)):
                with pytest.raises(UpstreamError) as error:
                    await refused
                assert error.value.retryable
            with pytest.raises(UpstreamError):
                await on.channel.send(bytes(160))
            assert not (await on.pbx.health()).connected
            await asyncio.sleep(2)
            assert on.kinds() == [(0.0, "LegAnswered")]
            on.pbx.restart()
            await asyncio.sleep(0)
            await asyncio.sleep(1)

            end = on.events[-1][1]
            assert isinstance(end, LegEnded)
            assert end.hangup.cause == "pbx_lost"
            assert [kind for _, kind in on.kinds()].count("LegEnded") == 1
            left = await on.pbx.snapshot()
            assert (list(left.legs), list(left.bridges)) == ([], [])
            await on.pbx.open_bridge(BRIDGE)
            await on.pbx.originate(order(LegId("tl-3")))

    play(work)


def test_a_pbx_that_never_comes_back_is_told_as_lost():
    """After a while, so that no call waits for ever."""

    async def work() -> None:
        async with stage(Answer()) as on:
            await on.call()
            await asyncio.sleep(1)
            on.pbx.kill()
            await asyncio.sleep(LOST_AFTER_S + 1)

            assert on.kinds() == [(0.0, "LegAnswered"), (1.0 + LOST_AFTER_S, "LegEnded")]

    play(work)


def test_a_cut_media_channel_is_lost_and_its_id_is_spent():
    """The leg of the party stays; the same id is refused, a fresh one works."""

    async def work() -> None:
        async with stage(Answer()) as on:
            await on.call()
            await asyncio.sleep(0.1)
            on.pbx.cut_media(MEDIA)
            assert len(on.ear.lost) == 1
            with pytest.raises(UpstreamError):
                await on.pbx.open_media(MEDIA, BRIDGE, ULAW_8K, on.ear)
            await on.pbx.open_media(LegId("tl-media-2"), BRIDGE, ULAW_8K, on.ear)

            assert on.kinds() == [(0.0, "LegAnswered")]

    play(work)


def test_a_sink_that_fails_silences_nobody_else():
    """Another ear in the same bridge hears on."""

    class Broken(Ear):
        def on_audio(self, data: bytes) -> None:
            raise RuntimeError("broken")

    async def work() -> None:
        async with stage(Answer(), Say(tone(1000, 1.0))) as on:
            await on.pbx.open_media(LegId("tl-broken"), BRIDGE, ULAW_8K, Broken())
            await on.call()
            await asyncio.sleep(2)

            assert on.ear.loud_s() == pytest.approx(1.0, abs=0.03)

    play(work)


def test_orders_that_contradict_what_is_there_are_refused():
    """A leg id twice, a trunk that was not put, a watch twice; a local number needs no trunk."""

    async def work() -> None:
        async with stage(Answer()) as on:
            await on.call()
            with pytest.raises(UpstreamError):
                await on.pbx.originate(order())
            with pytest.raises(UpstreamError) as unknown:
                await on.pbx.originate(order(LegId("tl-2"), trunk_id=TrunkId("none")))
            assert unknown.value.retryable
            with pytest.raises(InternalError):
                on.pbx.watch(LEG)
            await on.pbx.originate(order(LegId("tl-3"), trunk_id=TrunkId("none"), destination="local:200"))
            await on.pbx.hang_up(LEG, Q850.USER_BUSY)
            await asyncio.sleep(0.1)

            end = on.events[-1][1]
            assert isinstance(end, LegEnded)
            assert end.hangup.cause == "user_busy"

    play(work)


def test_the_carriers_subscribers_are_all_there():
    """By the same keys, and those who never answer refuse with the same status."""
    assert set(BEHAVIOURS) == {known.key for known in SUBSCRIBERS}
    for known in SUBSCRIBERS:
        refusals = [step.sip for step in BEHAVIOURS[known.key].steps if hasattr(step, "sip")]
        assert refusals == ([known.sip] if known.sip else []), known.key


def test_a_hundred_calls_cost_little():
    """Five seconds of talk both ways in each, far faster than they last: load models need no machine of their own."""

    async def work() -> None:
        pbx = SimulatedPbx(
            {NUMBER: Subscriber((Answer(), Say(speech(5.0))))},
            clock=LoopClock(),
            recordings=Path("/nonexistent"),
        )
        await pbx.start()
        await pbx.put_trunk(TrunkSpec(TRUNK, "carrier.example", 5060))
        ears, voice = [Ear() for _ in range(100)], encode_ulaw(np.array(tone(500, 5.0)))
        for number, ear in enumerate(ears):
            bridge = BridgeId(f"tl-b{number}")
            await pbx.open_bridge(bridge)
            channel = await pbx.open_media(LegId(f"tl-m{number}"), bridge, ULAW_8K, ear)
            await pbx.originate(order(LegId(f"tl-l{number}"), bridge_id=bridge))
            await channel.send(voice)
        began_s = time.process_time()
        await asyncio.sleep(5)
        cpu_s = time.process_time() - began_s
        await pbx.close()

        assert all(ear.loud_s() > 4.5 for ear in ears)
        assert cpu_s < 10

    play(work)


@pytest.mark.parametrize(("samples", "count"), [(0, 0), (1, 1), (160, 1), (161, 2)])
def test_samples_are_cut_into_whole_frames(samples: int, count: int):
    """The last one is filled with silence."""
    assert [len(frame) for frame in frames(np.ones(samples, np.int16))] == [160] * count


def test_a_mix_is_the_sum_and_clips():
    """Nothing for nobody, the sound itself for one, never a wrap-around."""
    loud = np.full(160, 30000, np.int16)

    assert mix([]) is None
    assert mix([loud]) is loud
    assert mix([loud, loud])[0] == 32767
    assert mix([loud, -loud]).any() == np.False_
