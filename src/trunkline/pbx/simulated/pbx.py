"""The verbs of the port on a switch in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from trunkline.audio.formats import AudioFormat
from trunkline.core.clock import Clock
from trunkline.core.errors import InternalError, UpstreamError
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.pbx.hangup import PBX_LOST, Q850, RING_TIMED_OUT, Hangup, verdict
from trunkline.pbx.port import (
    LegDigit,
    LegEnded,
    LegEvent,
    LegOnPbx,
    LegQuality,
    LegWatch,
    MediaChannel,
    MediaSink,
    Originate,
    PbxHealth,
    PbxRecording,
    Snapshot,
    TrunkSpec,
    TrunkStatus,
)
from trunkline.pbx.simulated.leg import CLEARED, LegState, PartyLeg, SimulatedLeg, checked_digits
from trunkline.pbx.simulated.media import MediaLeg, SimulatedMedia
from trunkline.pbx.simulated.subscriber import NOBODY, Subscriber
from trunkline.pbx.simulated.switch import Switch
from trunkline.pbx.simulated.tape import TapeRoom, write
from trunkline.pbx.simulated.watch import SimulatedWatch

_log = structlog.get_logger()

VERSION: Final = "simulated"
LOST_AFTER_S: Final = 15.0
"""Legs of a PBX that died count as lost after so long, or as soon as it is back."""


class SimulatedPbx:
    """A `Pbx` whose trunks lead to scripted subscribers.

    Args:
        subscribers: by destination, as `Originate` names it; other destinations behave as `nobody`.
        clock: for times in records; frames and scripts go by the event loop's own time.
        recordings: folder for what the PBX records.
    """

    def __init__(
        self,
        subscribers: Mapping[str, Subscriber],
        *,
        clock: Clock,
        recordings: Path,
        nobody: Subscriber = NOBODY,
        node: str = "pbx-simulated",
    ) -> None:
        self._subscribers = subscribers
        self._nobody = nobody
        self._clock = clock
        self._node = node
        self._switch = Switch()
        self._trunks: dict[TrunkId, TrunkSpec] = {}
        self._watches: dict[LegId, SimulatedWatch] = {}
        self._media_ids: set[LegId] = set()
        self._tapes = TapeRoom(recordings)
        self._timers: dict[LegId, list[asyncio.TimerHandle]] = {}
        self._scripts: dict[LegId, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost: list[LegId] = []
        self._lost_timer: asyncio.TimerHandle | None = None
        self._started_at: datetime | None = None
        self._is_up = False

    # --- the PBX as a whole -------------------------------------------------------------------------------------------

    @property
    def node(self) -> str:
        """The node's name."""
        return self._node

    async def start(self) -> None:
        """Begins to tick."""
        self._is_up = True
        self._started_at = self._clock.now()
        self._spawn(self._switch.run, f"{self._node} ticks")

    async def close(self) -> None:
        """Ends everything that runs here; without it the legs stand still."""
        self._is_up = False
        if self._lost_timer is not None:
            self._lost_timer.cancel()
        for leg_id in list(self._timers):
            self._stop_timers(leg_id)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def health(self) -> PbxHealth:
        """Whether it was started and not killed."""
        detail = None if self._is_up else "The PBX is down."
        return PbxHealth(self._is_up, VERSION if self._is_up else None, self._started_at, detail)

    async def snapshot(self) -> Snapshot:
        """What is up right now; every id here was chosen by us."""
        self._check()
        legs = [
            LegOnPbx(leg.id, leg.state.value, ours=True, created_at=leg.created_at)
            for leg in self._switch.legs.values()
        ]
        return Snapshot(self._started_at, legs, list(self._switch.bridges))

    # --- legs ---------------------------------------------------------------------------------------------------------

    def watch(self, leg_id: LegId) -> LegWatch:
        """Registers for a leg's events, before the leg exists.

        Raises:
            InternalError: it is watched already.
        """
        if leg_id in self._watches:
            raise InternalError(f"Leg {leg_id} is watched twice.")
        watch = self._watches[leg_id] = SimulatedWatch(partial(self._forget, leg_id))
        return watch

    async def originate(self, order: Originate) -> None:
        """Calls a subscriber."""
        self._check()
        if order.leg_id in self._switch.legs:
            raise UpstreamError(f"Leg {order.leg_id} exists already.")
        if order.trunk_id not in self._trunks and not order.destination.startswith("local:"):
            raise UpstreamError(f"Trunk {order.trunk_id} is not on the PBX.", retryable=True)
        leg = PartyLeg(
            order.leg_id,
            self._clock.now(),
            self._subscribers.get(order.destination, self._nobody),
            tell=self._tell,
            end=lambda hangup: self._end(order.leg_id, hangup),
        )
        if order.bridge_id is not None:
            self._switch.join(order.bridge_id, leg)
        self._switch.add(leg)
        loop = asyncio.get_running_loop()
        self._timers[leg.id] = [
            loop.call_later(order.ring_timeout_s, self._ring_out, leg),
            loop.call_later(order.max_duration_s, self._end, leg.id, CLEARED),
        ]
        self._scripts[leg.id] = self._spawn(leg.run, f"{self._node} {leg.id}")

    async def answer(self, leg_id: LegId) -> None:
        """Picks up for the leg's party."""
        self._party(leg_id).answer()

    async def hang_up(self, leg_id: LegId, cause: Q850 = Q850.NORMAL_CLEARING) -> None:
        """Ends a leg; no error when it is gone."""
        self._check()
        self._end(leg_id, verdict(cause, None))

    async def send_digits(self, leg_id: LegId, digits: str) -> None:
        """The party receives keys."""
        self._party(leg_id).digits += checked_digits(digits)

    async def hold(self, leg_id: LegId) -> None:
        """The leg's party hears music."""
        self._leg(leg_id).is_held = True

    async def resume(self, leg_id: LegId) -> None:
        """It hears the bridge again."""
        self._leg(leg_id).is_held = False

    async def mute(self, leg_id: LegId) -> None:
        """The bridge does not hear the leg."""
        self._leg(leg_id).is_muted = True

    async def unmute(self, leg_id: LegId) -> None:
        """It does again."""
        self._leg(leg_id).is_muted = False

    async def start_ringback(self, leg_id: LegId) -> None:
        """The leg's party hears a ringing tone."""
        self._leg(leg_id).has_ringback = True

    async def stop_ringback(self, leg_id: LegId) -> None:
        """No longer."""
        self._leg(leg_id).has_ringback = False

    async def leg_quality(self, leg_id: LegId) -> LegQuality | None:
        """Counts of a flawless line; None where there is no party."""
        self._check()
        leg = self._switch.legs.get(leg_id)
        return leg.quality() if isinstance(leg, PartyLeg) else None

    # --- bridges and audio --------------------------------------------------------------------------------------------

    async def open_bridge(self, bridge_id: BridgeId) -> None:
        """Makes an empty bridge."""
        self._check()
        self._switch.open_bridge(bridge_id)

    async def join(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        """Moves a leg into a bridge."""
        self._switch.join(bridge_id, self._leg(leg_id))

    async def leave(self, bridge_id: BridgeId, leg_id: LegId) -> None:
        """Takes a leg out of a bridge."""
        leg = self._leg(leg_id)
        if leg.bridge_id == bridge_id:
            self._switch.leave(leg)

    async def close_bridge(self, bridge_id: BridgeId) -> None:
        """Destroys a bridge; no error when it is gone."""
        self._check()
        self._switch.close_bridge(bridge_id)

    async def start_music(self, bridge_id: BridgeId) -> None:
        """Everyone in the bridge hears music."""
        self._check()
        self._switch.bridge(bridge_id).has_music = True

    async def stop_music(self, bridge_id: BridgeId) -> None:
        """Ends the music. No error when none plays."""
        self._check()
        self._switch.bridge(bridge_id).has_music = False

    async def open_media(
        self, leg_id: LegId, bridge_id: BridgeId, audio: AudioFormat, sink: MediaSink
    ) -> MediaChannel:
        """Attaches audio to a bridge.

        Raises:
            UpstreamError: the bridge is not open, or the id was used before.
        """
        self._check()
        if leg_id in self._media_ids or leg_id in self._switch.legs:
            raise UpstreamError(f"Leg id {leg_id} was used before.")
        leg = MediaLeg(leg_id, self._clock.now(), audio, sink)
        self._switch.join(bridge_id, leg)
        self._switch.add(leg)
        self._media_ids.add(leg_id)
        return SimulatedMedia(leg, lambda: self._end(leg_id, CLEARED))

    # --- recordings ---------------------------------------------------------------------------------------------------

    async def start_recording(self, leg_id: LegId, name: str) -> PbxRecording:
        """Records a party from the next tick on."""
        party = self._party(leg_id)
        recording, tape = self._tapes.start(leg_id, name, self._clock.monotonic())
        party.tapes.append(tape)
        return recording

    async def stop_recording(self, recording: PbxRecording) -> None:
        """Writes both files. No error when the leg is gone."""
        self._check()
        tape = self._tapes.take(recording)
        if tape is None:
            return
        leg = self._switch.legs.get(recording.leg_id)
        if isinstance(leg, PartyLeg):
            leg.tapes = [other for other in leg.tapes if other is not tape]
        await write(tape, recording)

    # --- trunks -------------------------------------------------------------------------------------------------------

    async def put_trunk(self, trunk: TrunkSpec) -> None:
        """Makes a trunk usable."""
        self._check()
        self._trunks[trunk.id] = trunk

    async def remove_trunk(self, trunk_id: TrunkId) -> None:
        """Removes a trunk; calls on it go on."""
        self._check()
        self._trunks.pop(trunk_id, None)

    async def trunk_status(self, trunk_id: TrunkId) -> TrunkStatus:
        """Every trunk that was put is reachable."""
        self._check()
        trunk = self._trunks.get(trunk_id)
        if trunk is None:
            return TrunkStatus(reachable=False, reason="The trunk is not on the PBX.")
        return TrunkStatus(reachable=True, registered=True if trunk.register else None, rtt_ms=0.1)

    # --- what only a simulation can do --------------------------------------------------------------------------------

    def party(self, leg_id: LegId) -> PartyLeg:
        """The far side of a leg, to see what it was sent.

        Raises:
            UpstreamError: no party is on that leg.
        """
        return self._party(leg_id)

    def cut_media(self, leg_id: LegId) -> None:
        """Takes a media channel away as a broken socket would."""
        self._end(leg_id, verdict(Q850.NETWORK_OUT_OF_ORDER, None))

    def kill(self) -> None:
        """The PBX dies: all legs and bridges are gone at once, nobody is told of a leg before `LOST_AFTER_S` or `restart`."""
        self._is_up = False
        self._lost += list(self._switch.legs)
        for leg_id in self._lost:
            self._remove(leg_id)
        self._switch.bridges.clear()
        self._lost_timer = asyncio.get_running_loop().call_later(LOST_AFTER_S, self._tell_lost)

    def restart(self) -> None:
        """It comes back empty, with the trunks that were put."""
        self._is_up = True
        self._started_at = self._clock.now()
        self._tell_lost()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self._is_up:
            raise UpstreamError("The PBX can't be reached.", retryable=True)

    def _leg(self, leg_id: LegId) -> SimulatedLeg:
        self._check()
        return self._switch.leg(leg_id)

    def _party(self, leg_id: LegId) -> PartyLeg:
        leg = self._leg(leg_id)
        if not isinstance(leg, PartyLeg):
            raise UpstreamError(f"Leg {leg_id} is a media channel.")
        return leg

    def _forget(self, leg_id: LegId) -> None:
        self._watches.pop(leg_id, None)

    def _tell(self, event: LegEvent) -> None:
        if (watch := self._watches.get(event.leg_id)) is not None:
            watch.deliver(event)
        if isinstance(event, LegEnded):
            self._forget(event.leg_id)
        if isinstance(event, LegDigit) and event.leg_id in self._switch.legs:
            self._switch.press(self._switch.legs[event.leg_id], event.digit)

    def _ring_out(self, leg: PartyLeg) -> None:
        if leg.state is not LegState.ANSWERED:
            self._end(leg.id, RING_TIMED_OUT)

    def _end(self, leg_id: LegId, hangup: Hangup) -> None:
        if self._remove(leg_id):
            self._tell(LegEnded(leg_id, hangup))

    def _remove(self, leg_id: LegId) -> bool:
        leg = self._switch.remove(leg_id)
        if leg is None:
            return False
        self._stop_timers(leg_id)
        script = self._scripts.pop(leg_id, None)
        if script is not None and script is not asyncio.current_task():
            script.cancel()
        leg.ended()
        return True

    def _tell_lost(self) -> None:
        if self._lost_timer is not None:
            self._lost_timer.cancel()
            self._lost_timer = None
        lost, self._lost = self._lost, []
        for leg_id in lost:
            self._tell(LegEnded(leg_id, PBX_LOST))

    def _stop_timers(self, leg_id: LegId) -> None:
        for timer in self._timers.pop(leg_id, ()):
            timer.cancel()

    def _spawn(self, work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(_logged(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _logged(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:  # noqa: BLE001  # the edge of a task
        _log.exception("the simulated PBX failed")
