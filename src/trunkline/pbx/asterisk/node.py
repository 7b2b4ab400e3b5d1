"""The connection with one Asterisk: events to watches, reconciliation after each gap, health."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Final

import structlog

from trunkline.core.clock import Clock
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, LegId
from trunkline.pbx.asterisk.ami import Ami
from trunkline.pbx.asterisk.ari_events import AriEvents
from trunkline.pbx.asterisk.ari_rest import AriRest, PbxUnreachable, segment
from trunkline.pbx.asterisk.translate import (
    LEG_PREFIX,
    WANTED_EVENTS,
    LegArrived,
    TakenOver,
    bridge_of,
    leg_on_pbx,
    missed,
    timestamp,
    translate,
)
from trunkline.pbx.asterisk.trunks import TrunkBook
from trunkline.pbx.asterisk.watch import LegBook
from trunkline.pbx.hangup import PBX_LOST, RING_TIMED_OUT, Hangup
from trunkline.pbx.port import LegAnswered, LegEnded, Originate, PbxHealth, Snapshot
from trunkline.settings import PbxSection

_log = structlog.get_logger()


_LOST_AFTER_S: Final = 15.0
"""Without any connection for so long, legs count as lost: nobody could steer them any more."""
_HEALTH_LIMIT_S: Final = 2.0
_WIDEBAND_CODECS: Final = frozenset(
    {"g722", "opus", "siren7", "siren14", "slin16", "slin24", "slin48", "speex16"}
)


class Node:
    """Owns the connections and their tasks."""

    def __init__(self, settings: PbxSection, clock: Clock, *, wideband: bool) -> None:
        self._settings = settings
        self._clock = clock
        self._wideband = wideband
        self.rest = AriRest(settings.ari_url, settings.ari_username, settings.ari_password.get_secret_value())
        self.ami = Ami(
            settings.ami_host,
            settings.ami_port,
            settings.ami_username,
            settings.ami_password.get_secret_value(),
            on_connected=self._ask_trunks,
        )
        self.book = LegBook()
        self.trunks = TrunkBook(self.rest, self.ami)
        self._events = AriEvents(
            self.rest,
            settings.ari_app,
            on_event=self._on_event,
            on_connected=self._on_connected,
            on_disconnected=self._on_disconnected,
        )
        self._version: str | None = None
        self._started_at: datetime | None = None
        self._maybe_wideband: set[LegId] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._giving_up: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Connects; returns once events and AMI are there, or after the connect time-out."""
        self._spawn(self._events.run(), "ari")
        self._spawn(self.ami.run(), "ami")
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._events.connected.wait()
                await self.ami.connected.wait()
        except TimeoutError:
            _log.warning(
                "pbx not connected in time",
                ari=self._events.connected.is_set(),
                ami=self.ami.connected.is_set(),
            )

    async def close(self) -> None:
        """Disconnects; legs stay as they are."""
        self._stop_giving_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.rest.close()

    async def health(self) -> PbxHealth:
        """A live look."""
        try:
            async with asyncio.timeout(_HEALTH_LIMIT_S):
                version, started_at = _identity(await self.rest.get("/asterisk/info"))
        except (UpstreamError, TimeoutError) as error:
            return PbxHealth(
                connected=False,
                version=self._version,
                started_at=self._started_at,
                detail=str(error) or "The PBX did not answer in 2 s.",
            )
        detail = None
        if not self._events.connected.is_set():
            detail = "The PBX answers, but its event socket is not connected."
        elif not self.ami.connected.is_set():
            detail = "The manager interface is not connected: no recordings by the PBX, no state of trunks."
        return PbxHealth(
            connected=self._events.connected.is_set(), version=version, started_at=started_at, detail=detail
        )

    async def snapshot(self) -> Snapshot:
        """Our legs and bridges on the PBX."""
        _, started_at = _identity(await self.rest.get("/asterisk/info"))
        legs = [leg_on_pbx(channel, self._settings.ari_app) for channel in await self.rest.get("/channels")]
        bridges = [bridge_of(bridge, self._settings.ari_app) for bridge in await self.rest.get("/bridges")]
        return Snapshot(
            started_at=started_at,
            legs=[leg for leg in legs if leg.ours],
            bridges=[BridgeId(bridge) for bridge in bridges if bridge is not None],
        )

    def require_events(self) -> None:
        """Without events a leg could be made, and nobody would hear what becomes of it.

        Raises:
            UpstreamError: retryable; nothing was sent.
        """
        if not self._events.connected.is_set():
            raise PbxUnreachable("The PBX's event socket is not connected.", retryable=True)

    def expect_dial(self, order: Originate) -> None:
        """A leg is about to be dialled: until when it may ring, and whether its codec must be asked for at the answer."""
        trunk = self.trunks.get(order.trunk_id)
        if self._wideband and trunk is not None and not _WIDEBAND_CODECS.isdisjoint(trunk.codecs):
            self._maybe_wideband.add(order.leg_id)
        if (watch := self.book.find(order.leg_id)) is not None:
            watch.rings_until_s = self._clock.monotonic() + order.ring_timeout_s

    # --- events -----------------------------------------------------------------------------------------------------

    def _on_event(self, message: dict[str, Any]) -> None:
        match event := translate(message):
            case None:
                pass
            case LegArrived(leg_id):
                if not self.book.arrived(leg_id) and not leg_id.startswith(LEG_PREFIX):
                    self._spawn(self._give_back(leg_id), "give-back")
            case TakenOver(app):
                _log.error("another service took over the application", app=app)
            case LegAnswered(leg_id) if leg_id in self._maybe_wideband:
                self._maybe_wideband.discard(leg_id)
                if (watch := self.book.find(leg_id)) is not None:
                    watch.hold()
                    self._spawn(self._answer_with_codec(event), "codec")
            case LegEnded(leg_id, hangup):
                self._maybe_wideband.discard(leg_id)
                self.book.end([leg_id], self._rang_out(leg_id) or hangup)
            case _:
                self.book.deliver(event)

    def _rang_out(self, leg_id: LegId) -> Hangup | None:
        """Asterisk ends a dial that took too long with SIP 480, which is also what a carrier says of a phone that is off."""
        watch = self.book.find(leg_id)
        if watch is None or watch.answered or watch.rings_until_s is None:
            return None
        return RING_TIMED_OUT if self._clock.monotonic() >= watch.rings_until_s else None

    async def _answer_with_codec(self, event: LegAnswered) -> None:
        watch = self.book.find(event.leg_id)
        try:
            codec = await self.codec(event.leg_id)
        except UpstreamError:
            codec = None
        if watch is not None:
            watch.release(LegAnswered(event.leg_id, wideband=codec in _WIDEBAND_CODECS))

    async def codec(self, leg_id: LegId) -> str | None:
        """The codec that the leg's far side speaks, by Asterisk's name."""
        answer = await self.rest.get(
            f"/channels/{segment(leg_id)}/variable", variable="CHANNEL(audionativeformat)"
        )
        value = str(answer.get("value", "")).strip("()").split("|")[0]
        return value or None

    async def _give_back(self, leg_id: LegId) -> None:
        """A call that came in by itself: nobody here takes such calls, so the dialplan goes on with it."""
        try:
            await self.rest.post(f"/channels/{segment(leg_id)}/continue")
        except UpstreamError as error:
            _log.warning("inbound leg not given back", leg_id=leg_id, error=error.message)

    # --- connected and not ------------------------------------------------------------------------------------------

    async def _on_connected(self) -> None:
        version, started_at = _identity(await self.rest.get("/asterisk/info"))
        restarted = self._started_at is not None and started_at != self._started_at
        self._version, self._started_at = version, started_at
        app = segment(self._settings.ari_app)
        await self.rest.put(
            f"/applications/{app}/eventFilter", {"allowed": [{"type": name} for name in WANTED_EVENTS]}
        )
        await self._reconcile(restarted=restarted)
        await self.trunks.put_all()
        self._ask_trunks()
        self._stop_giving_up()
        _log.info("pbx connected", version=version, restarted=restarted)

    def _ask_trunks(self) -> None:
        if self.ami.connected.is_set():
            self._spawn(self.trunks.ask_all(), "ask-trunks")

    async def _reconcile(self, *, restarted: bool) -> None:
        """Tells watchers what happened while no events came."""
        known = self.book.existing()
        if restarted:
            self.book.end(known, PBX_LOST)
        if not known:
            return
        present = {leg.leg_id: leg for leg in map(leg_on_pbx, await self.rest.get("/channels"))}
        self.book.end(known - present.keys(), PBX_LOST)
        for leg_id in known & present.keys():
            if (event := missed(present[leg_id])) is not None:
                self.book.deliver(event)

    def _on_disconnected(self) -> None:
        _log.warning("pbx disconnected", legs=len(self.book.existing()))
        self._stop_giving_up()
        self._giving_up = asyncio.get_running_loop().call_later(_LOST_AFTER_S, self._give_up)

    def _give_up(self) -> None:
        legs = self.book.existing()
        _log.error("pbx lost", legs=len(legs))
        self.book.end(legs, PBX_LOST)

    def _stop_giving_up(self) -> None:
        handle, self._giving_up = self._giving_up, None
        if handle is not None:
            handle.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"pbx-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("pbx task failed", task=task.get_name(), exc_info=error)


def _identity(info: Any) -> tuple[str | None, datetime | None]:
    """Version and start of the process, from `GET /asterisk/info`."""
    if not isinstance(info, dict):
        raise UpstreamError("The PBX did not say who it is.")
    return info.get("system", {}).get("version"), timestamp(info.get("status", {}).get("startup_time"))
