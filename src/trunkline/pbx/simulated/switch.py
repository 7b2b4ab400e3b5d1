"""The switch: legs, bridges, and the tick of 20 ms that carries every frame from who says it to who hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from trunkline.audio.formats import PTIME_MS
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, LegId
from trunkline.pbx.simulated.leg import MUSIC, SimulatedLeg
from trunkline.pbx.simulated.sound import Samples, mix

_log = structlog.get_logger()

_TICK_S: Final = PTIME_MS / 1000
_MOST_TICKS_BEHIND: Final = 10
"""A loop that was held up catches up on so many ticks; what is older is skipped, as a real switch loses it."""


@dataclass(slots=True)
class Bridge:
    """Legs that hear each other, in the order in which they joined."""

    legs: dict[LegId, SimulatedLeg] = field(default_factory=dict)
    has_music: bool = False

    def carry(self) -> None:
        """Gives each leg what all others said in this tick."""
        talking = [
            (leg, leg.frame) for leg in self.legs.values() if leg.frame is not None and not leg.is_muted
        ]
        for leg in list(self.legs.values()):
            sounds: list[Samples] = [frame for who, frame in talking if who is not leg]
            if self.has_music:
                sounds.append(MUSIC)
            _safely(leg, partial(leg.hear, mix(sounds)))


class Switch:
    """Everything that is up. `run` is owned by the PBX."""

    def __init__(self) -> None:
        self.legs: dict[LegId, SimulatedLeg] = {}
        self.bridges: dict[BridgeId, Bridge] = {}
        self._has_legs = asyncio.Event()

    def leg(self, leg_id: LegId) -> SimulatedLeg:
        """The leg of that id.

        Raises:
            UpstreamError: it is not up.
        """
        if (leg := self.legs.get(leg_id)) is None:
            raise UpstreamError(f"Leg {leg_id} is not on the PBX.")
        return leg

    def bridge(self, bridge_id: BridgeId) -> Bridge:
        """The bridge of that id.

        Raises:
            UpstreamError: it is not open.
        """
        if (bridge := self.bridges.get(bridge_id)) is None:
            raise UpstreamError(f"Bridge {bridge_id} is not on the PBX.")
        return bridge

    def add(self, leg: SimulatedLeg) -> None:
        """Takes a leg in."""
        self.legs[leg.id] = leg
        self._has_legs.set()

    def remove(self, leg_id: LegId) -> SimulatedLeg | None:
        """Takes a leg out, of its bridge too; None when it is gone."""
        leg = self.legs.pop(leg_id, None)
        if leg is not None:
            self.leave(leg)
        if not self.legs:
            self._has_legs.clear()
        return leg

    def join(self, bridge_id: BridgeId, leg: SimulatedLeg) -> None:
        """Moves a leg into an open bridge."""
        bridge = self.bridge(bridge_id)
        self.leave(leg)
        leg.bridge_id = bridge_id
        bridge.legs[leg.id] = leg

    def leave(self, leg: SimulatedLeg) -> None:
        """Takes a leg out of its bridge, if it is in one."""
        if leg.bridge_id is not None and (bridge := self.bridges.get(leg.bridge_id)) is not None:
            bridge.legs.pop(leg.id, None)
        leg.bridge_id = None

    def open_bridge(self, bridge_id: BridgeId) -> None:
        """Makes an empty bridge, where there is none of that id."""
        self.bridges.setdefault(bridge_id, Bridge())

    def close_bridge(self, bridge_id: BridgeId) -> None:
        """Destroys a bridge; its legs stay up."""
        for leg in list(self.bridges[bridge_id].legs.values()) if bridge_id in self.bridges else ():
            self.leave(leg)
        self.bridges.pop(bridge_id, None)

    def press(self, leg: SimulatedLeg, digit: str) -> None:
        """A key pressed on a leg reaches the others in its bridge."""
        bridge = self.bridges.get(leg.bridge_id) if leg.bridge_id is not None else None
        for other in list(bridge.legs.values()) if bridge is not None else ():
            if other is not leg:
                other.on_bridge_digit(digit)

    async def run(self) -> None:
        """Ticks for as long as there are legs, and waits for the next one when there are none."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self.legs:
                await self._has_legs.wait()
                due = loop.time()
            due = max(due + _TICK_S, loop.time() - _MOST_TICKS_BEHIND * _TICK_S)
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.tick()

    def tick(self) -> None:
        """Carries one frame of every leg."""
        legs = list(self.legs.values())
        for leg in legs:
            leg.frame = None
            _safely(leg, leg.take_frame)
        for bridge in list(self.bridges.values()):
            bridge.carry()
        for leg in legs:
            if leg.bridge_id is None:
                _safely(leg, partial(leg.hear, None))


def _safely(leg: SimulatedLeg, work: Callable[[], None]) -> None:
    """One leg's failure (a sink that raises) must not silence the others. Told once a leg: it may fail every 20 ms."""
    try:
        work()
    except Exception:  # noqa: BLE001  # the edge of a task
        if not leg.has_failed:
            leg.has_failed = True
            _log.exception("a leg failed", leg_id=leg.id)
