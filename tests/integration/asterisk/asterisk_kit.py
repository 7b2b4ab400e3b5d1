"""A service's connection with a real Asterisk, calls to the carrier behind it, and ears that write down what they hear."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from trunkline.audio.formats import ULAW_8K
from trunkline.audio.g711 import decoder, encoder
from trunkline.core.clock import SystemClock
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.local_pbx import instance
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import InstanceState, settings_for
from trunkline.local_pbx.subscribers import subscriber
from trunkline.pbx.asterisk.pbx import AsteriskPbx
from trunkline.pbx.port import LegAnswered, LegEnded, LegEvent, Originate, TrunkSpec
from trunkline.settings import Media, PbxSection

TRUNK = TrunkId("trk-integration")
_numbers = itertools.count(1)


def fresh(role: str) -> str:
    """An id that no PBX has seen."""
    return f"tl-integration-{role}-{os.getpid()}-{next(_numbers)}"


def tone(duration_ms: int, hz: float = 440.0) -> bytes:
    """A tone in mu-law."""
    at = np.arange(8 * duration_ms)
    return encoder(ULAW_8K)((np.sin(2 * np.pi * hz * at / 8000) * 9000).astype(np.int16))


def loud_ms(path: Path, hz: float | None = None) -> float:
    """How many 20 ms windows of a recording are loud, in ms; with `hz`, only those where that tone prevails."""
    samples, rate = soundfile.read(path, dtype="int16")
    windows = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(float)
    energy = (windows**2).mean(axis=1)
    loud = energy > 500**2
    if hz is not None:
        at = np.arange(160)
        power = np.abs(windows @ np.exp(-2j * np.pi * hz * at / rate)) ** 2 * 2 / 160**2
        loud &= power > 0.5 * energy
    return float(loud.sum() * 20)


class Ear:
    """A media sink that writes everything down."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.marks: list[str] = []
        self.digits = ""
        self.lost: list[str] = []

    def on_audio(self, frames: bytes) -> None:
        self.heard += frames

    def on_mark(self, mark_id: str) -> None:
        self.marks.append(mark_id)

    def on_flow(self, *, paused: bool) -> None: ...

    def on_digit(self, digit: str) -> None:
        self.digits += digit

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)

    def loud_ms(self) -> float:
        """How much sound it heard."""
        samples = decoder(ULAW_8K)(bytes(self.heard)).astype(float).reshape(-1, 160)
        return float(((samples**2).mean(axis=1) > 500**2).sum() * 20)


async def until(happened: Callable[[], Any], *, within_s: float = 8.0) -> None:
    """Returns once it is true."""
    async with asyncio.timeout(within_s):
        while not happened():
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Line:
    """A leg with everything that its watch told."""

    leg_id: LegId
    events: list[LegEvent] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def has(self, kind: type) -> bool:
        """Whether it told this."""
        return any(isinstance(event, kind) for event in self.events)

    async def answered(self) -> None:
        """Waits for the answer."""
        await until(lambda: self.has(LegAnswered) or self.has(LegEnded))
        assert self.has(LegAnswered), self.events

    async def ended(self, within_s: float = 8.0) -> LegEnded:
        """Waits for the end of the watch; there is exactly one end, and it is last."""
        await asyncio.wait_for(self.over.wait(), within_s)
        ends = [event for event in self.events if isinstance(event, LegEnded)]
        assert ends == self.events[-1:]
        return ends[0]


@dataclass(slots=True)
class Desk:
    """An adapter that is connected, with a trunk to the carrier."""

    pbx: AsteriskPbx
    pair: Pair

    @asynccontextmanager
    async def call(self, behaviour: str, **wishes: Any) -> AsyncIterator[Line]:
        """A watched call to a subscriber (or to a `destination`), hung up at the end."""
        line = Line(LegId(fresh("leg")))
        watch = self.pbx.watch(line.leg_id)
        given = {
            "ring_timeout_s": 20,
            "max_duration_s": 60,
            "caller_id": "+4930123456",
            "trunk_id": TRUNK,
            **wishes,
        }
        if "destination" not in given:
            given["destination"] = subscriber(behaviour).number

        async def read() -> None:
            async for event in watch:
                line.events.append(event)
            line.over.set()

        reading = asyncio.create_task(read(), name=f"watch {line.leg_id}")
        try:
            await self.pbx.originate(Originate(leg_id=line.leg_id, **given))
            yield line
        finally:
            await self.pbx.hang_up(line.leg_id)
            watch.close()
            await asyncio.wait_for(reading, 5)

    @asynccontextmanager
    async def talk(self, behaviour: str, **wishes: Any) -> AsyncIterator[tuple[Any, Ear, Line, BridgeId]]:
        """A bridge with our audio and a party that is called into it."""
        bridge_id, ear = BridgeId(fresh("bridge")), Ear()
        await self.pbx.open_bridge(bridge_id)
        channel = await self.pbx.open_media(LegId(fresh("media")), bridge_id, ULAW_8K, ear)
        try:
            async with self.call(behaviour, bridge_id=bridge_id, **wishes) as line:
                yield channel, ear, line, bridge_id
        finally:
            await channel.close()
            await self.pbx.close_bridge(bridge_id)


@asynccontextmanager
async def connected(pair: Pair, **changes: Any) -> AsyncIterator[Desk]:
    """An adapter on the pair's PBX; nothing of ours may be left on it afterwards."""
    pbx = AsteriskPbx(PbxSection(**{**settings_for(pair.pbx), **changes}), Media(), SystemClock())
    await pbx.start()
    try:
        await pbx.put_trunk(TrunkSpec(TRUNK, pair.carrier.host, pair.carrier.sip_port))
        yield Desk(pbx, pair)
        await _assert_empty(pbx)
        await pbx.remove_trunk(TRUNK)
    finally:
        await pbx.close()


async def _assert_empty(pbx: AsteriskPbx) -> None:
    async with asyncio.timeout(5):
        while (left := await pbx.snapshot()).legs or left.bridges:
            await asyncio.sleep(0.02)


def restarted(pair: Pair) -> InstanceState:
    """Brings the killed PBX of the pair up again on its own ports."""
    return instance.up(pair.pbx.name)
