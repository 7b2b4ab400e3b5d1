"""What the promises are tried with: a PBX with a carrier behind it, ears that write down what they hear, calls that end."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trunkline.audio.formats import ULAW_8K, AudioFormat
from trunkline.audio.g711 import decoder, encoder
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.local_pbx.subscribers import subscriber
from trunkline.pbx.port import LegAnswered, LegEnded, LegEvent, MediaChannel, Originate, Pbx, TrunkSpec

PATIENCE_S = 5.0
"""How long anything may take that has no time of its own; a slow machine needs some of it."""

_numbers = itertools.count(1)


def fresh(role: str) -> str:
    """An id that no PBX has seen."""
    return f"tl-contract-{role}-{os.getpid()}-{next(_numbers)}"


class Ear:
    """A media sink that writes everything down."""

    def __init__(self, audio: AudioFormat) -> None:
        self.audio = audio
        self.heard = bytearray()
        self.marks: list[str] = []
        self.marked_at: list[float] = []
        self.flow: list[bool] = []
        self.digits = ""
        self.lost: list[str] = []

    def on_audio(self, frames: bytes) -> None:
        self.heard += frames

    def on_mark(self, mark_id: str) -> None:
        self.marks.append(mark_id)
        self.marked_at.append(asyncio.get_running_loop().time())

    def on_flow(self, *, paused: bool) -> None:
        self.flow.append(paused)

    def on_digit(self, digit: str) -> None:
        self.digits += digit

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)

    def loud_ms(self) -> float:
        """How much sound it heard so far; silence is not counted."""
        samples = decoder(self.audio)(
            bytes(self.heard[: len(self.heard) // self.audio.frame_bytes * self.audio.frame_bytes])
        )
        frames = np.abs(samples.astype(np.int32)).reshape(-1, self.audio.frame_samples)
        return float((frames.mean(axis=1) > 500).sum() * 20)

    def forget(self) -> None:
        """Starts anew."""
        self.heard.clear()


def sound(audio: AudioFormat, duration_ms: int, hz: float = 440.0) -> bytes:
    """A tone in a format."""
    at = np.arange(audio.rate_hz * duration_ms // 1000)
    return encoder(audio)((np.sin(2 * np.pi * hz * at / audio.rate_hz) * 9000).astype(np.int16))


async def until(happened: Callable[[], Any], *, within_s: float = PATIENCE_S) -> None:
    """Returns once it is true.

    Raises:
        TimeoutError: it did not become true in time.
    """
    async with asyncio.timeout(within_s):
        while not happened():
            await asyncio.sleep(0.01)


async def stays(holds: Callable[[], Any], *, for_s: float) -> None:
    """Fails as soon as it does not hold during that time."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + for_s
    while loop.time() < end_s:
        assert holds()
        await asyncio.sleep(0.01)


@dataclass(slots=True)
class Line:
    """A leg with everything that its watch told so far."""

    leg_id: LegId
    events: list[LegEvent] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None

    def kinds(self) -> list[str]:
        """The names of its events."""
        return [type(event).__name__ for event in self.events]

    def has(self, kind: type) -> bool:
        """Whether it told this."""
        return any(isinstance(event, kind) for event in self.events)

    async def answered(self) -> None:
        """Waits for the answer, and fails when the leg ends instead."""
        await until(lambda: self.has(LegAnswered) or self.has(LegEnded))
        assert self.has(LegAnswered), self.events

    async def ended(self, within_s: float = PATIENCE_S) -> LegEnded:
        """Waits until the watch says that nothing more comes."""
        assert self.reading is not None
        async with asyncio.timeout(within_s):
            await asyncio.shield(self.reading)
        last = self.events[-1]
        assert isinstance(last, LegEnded)
        return last


@dataclass(frozen=True, slots=True)
class Talk:
    """Us and one party in a bridge."""

    bridge_id: BridgeId
    channel: MediaChannel
    ear: Ear
    line: Line


@dataclass(frozen=True, slots=True)
class World:
    """A PBX under test with one trunk to a carrier."""

    pbx: Pbx
    trunk: TrunkSpec

    def order(self, behaviour: str, **wishes: Any) -> Originate:
        """A call to the subscriber who behaves so."""
        given = {
            "ring_timeout_s": 10,
            "max_duration_s": 60,
            "caller_id": "+31200000001",
            "trunk_id": self.trunk.id,
            **wishes,
        }
        return Originate(leg_id=LegId(fresh("leg")), destination=subscriber(behaviour).number, **given)

    @asynccontextmanager
    async def call(self, behaviour: str, **wishes: Any) -> AsyncIterator[Line]:
        """A call that is watched, and hung up at the end."""
        order = self.order(behaviour, **wishes)
        line, watch = Line(order.leg_id), self.pbx.watch(order.leg_id)

        async def read() -> None:
            async for event in watch:
                line.events.append(event)

        line.reading = asyncio.create_task(read(), name=f"watch {order.leg_id}")
        try:
            await self.pbx.originate(order)
            yield line
        finally:
            await self.pbx.hang_up(order.leg_id)
            watch.close()
            line.reading.cancel()
            await asyncio.gather(line.reading, return_exceptions=True)

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[BridgeId]:
        """An open bridge."""
        bridge_id = BridgeId(fresh("bridge"))
        await self.pbx.open_bridge(bridge_id)
        try:
            yield bridge_id
        finally:
            await self.pbx.close_bridge(bridge_id)

    @asynccontextmanager
    async def media(
        self, bridge_id: BridgeId, audio: AudioFormat = ULAW_8K
    ) -> AsyncIterator[tuple[MediaChannel, Ear]]:
        """A media channel in a bridge, with an ear."""
        ear = Ear(audio)
        channel = await self.pbx.open_media(LegId(fresh("media")), bridge_id, audio, ear)
        try:
            yield channel, ear
        finally:
            await channel.close()

    @asynccontextmanager
    async def talk(self, behaviour: str, audio: AudioFormat = ULAW_8K) -> AsyncIterator[Talk]:
        """A bridge with a media channel of ours and a party that was called into it."""
        async with (
            self.bridge() as bridge_id,
            self.media(bridge_id, audio) as (channel, ear),
            self.call(behaviour, bridge_id=bridge_id) as line,
        ):
            yield Talk(bridge_id, channel, ear, line)

    async def leg_ids(self) -> set[LegId]:
        """What is up right now."""
        return {leg.leg_id for leg in (await self.pbx.snapshot()).legs}

    async def gone(self, *leg_ids: LegId) -> None:
        """Waits until none of these legs is on the PBX."""
        async with asyncio.timeout(PATIENCE_S):
            while not (await self.leg_ids()).isdisjoint(leg_ids):
                await asyncio.sleep(0.02)

    async def assert_empty(self) -> None:
        """Nothing stays behind."""
        async with asyncio.timeout(PATIENCE_S):
            while (left := await self.pbx.snapshot()).legs or left.bridges:
                await asyncio.sleep(0.02)


TRUNK_ID = TrunkId("trk-contract")
