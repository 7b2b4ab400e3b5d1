"""Keeps store and PBX in agreement: at start, every 30 s, and when asked. What to do is decided by `reconcile.plan`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog

from trunkline.calls.reconcile import Possessions, Repairs, plan
from trunkline.core.clock import Clock
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, CallId, LegId
from trunkline.pbx.port import Pbx
from trunkline.settings import Settings
from trunkline.store.rows import CallRow
from trunkline.store.store import Store

_log = structlog.get_logger()
_SWEEP_EVERY_S: Final = 30.0


class Housekeeper:
    """`held` tells what the calls of this process own at the moment it is asked."""

    def __init__(
        self, pbx: Pbx, store: Store, settings: Settings, clock: Clock, *, held: Callable[[], Possessions]
    ) -> None:
        self._pbx = pbx
        self._store = store
        self._settings = settings
        self._clock = clock
        self._held = held
        self._stray_bridges: frozenset[BridgeId] = frozenset()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Puts right what an earlier life left behind, then sweeps every 30 s."""
        await self.reconcile()
        self._sweeper = asyncio.create_task(self._sweep(), name="call-sweeper")

    async def stop(self) -> None:
        """Ends the sweeping."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    async def reconcile(self) -> Repairs:
        """Compares the PBX with the store and puts right what differs; says what it did."""
        try:
            snapshot = await self._pbx.snapshot()
        except UpstreamError as error:
            _log.warning("no snapshot of the PBX", error=error.message)
            return Repairs()
        stored = await self._store.calls.live(self._settings.pbx.node)
        held = self._held()
        repairs = plan(
            snapshot,
            stored,
            held,
            known_bridges=self._stray_bridges,
            now=self._clock.now(),
            orphan_after_s=self._settings.calls.orphan_after_s,
        )
        self._stray_bridges = frozenset(bridge for bridge in snapshot.bridges if bridge not in held.bridges)
        await self._repair(repairs)
        return repairs

    async def _repair(self, repairs: Repairs) -> None:
        if repairs:
            _log.warning(
                "putting right what was left",
                legs=len(repairs.hang_up),
                bridges=len(repairs.close),
                calls=len(repairs.end),
            )
        try:
            for leg in repairs.hang_up:
                await self._pbx.hang_up(leg)
            for bridge in repairs.close:
                await self._pbx.close_bridge(bridge)
        except UpstreamError as error:
            _log.warning("not all put right", error=error.message)
        for call_id in repairs.end:
            await self._end_abandoned(call_id)

    async def _end_abandoned(self, call_id: CallId) -> None:
        """A call of an earlier life of this process: its legs are hung up, its record says so."""
        row = await self._store.calls.find(call_id)
        if row is None or call_id in self._held().calls:
            return
        for put_away in self._remains(row):
            try:
                await put_away
            except UpstreamError as error:
                _log.warning("not put away", error=error.message)
        await self._store.calls.end(
            call_id,
            status="failed",
            end_reason="error",
            error="The service was restarted during the call.",
            ended_at=self._clock.now(),
            hangup={"q850": 0, "sip": None, "cause": "unknown"},
            duration_seconds=(self._clock.now() - row.started_at).total_seconds() if row.started_at else 0,
        )

    def _remains(self, row: CallRow) -> Sequence[Any]:
        legs = [self._pbx.hang_up(LegId(row.caller_leg_id))] if row.caller_leg_id else []
        bridges = [self._pbx.close_bridge(BridgeId(row.bridge_id))] if row.bridge_id else []
        return [*legs, *bridges]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            try:
                await self.reconcile()
                kept = timedelta(hours=self._settings.api.idempotency_hours)
                await self._store.idempotency.purge(self._clock.now() - kept)
            except Exception:  # noqa: BLE001  # the edge of a task
                _log.exception("sweep failed")
