"""A blind transfer inside the PBX: announce, dial the target, join both parties in one bridge, let go.

Decisions are in `transfer_table`; this file carries them out. Whatever fails before both parties are joined brings the
caller back to the assistant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import structlog

from trunkline.calls.ending import as_record
from trunkline.calls.transfer_table import FINAL, TransferAction, TransferHappening, TransferState, step
from trunkline.conversation.session import Conversation
from trunkline.core.clock import Clock, iso_utc
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import BridgeId, LegId, TrunkId
from trunkline.pbx.hangup import Hangup
from trunkline.pbx.port import LegAnswered, LegEarlyMedia, LegEnded, LegRinging, Originate, Pbx

_log = structlog.get_logger()
_ANNOUNCEMENT_LIMIT_S = 60.0
_H = TransferHappening

Outcome = Literal["requested", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """What was asked for.

    Attributes:
        message: spoken and heard to its end before the target is dialled.
        fallback_message: spoken when the target could not be reached; None says a standard sentence.
    """

    destination: str
    trunk_id: TrunkId
    caller_id: str | None
    ring_timeout_s: int
    max_duration_s: int
    message: str | None = None
    fallback_message: str | None = None
    mode: Literal["blind"] = "blind"


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """The Call's `transfer` object."""

    destination: str
    mode: str
    status: Outcome
    requested_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    hangup: Hangup | None = None

    def as_json(self) -> dict[str, Any]:
        """ISO times, nulls where nothing happened."""
        return {
            "destination": self.destination,
            "mode": self.mode,
            "status": self.status,
            "requested_at": iso_utc(self.requested_at),
            "answered_at": iso_utc(self.answered_at) if self.answered_at else None,
            "ended_at": iso_utc(self.ended_at) if self.ended_at else None,
            "error": self.error,
            "hangup": as_record(self.hangup) if self.hangup else None,
        }


class BlindTransfer:
    """One transfer of one call. `run` is its life; `cancel` may come at any time."""

    def __init__(
        self,
        request: TransferRequest,
        *,
        pbx: Pbx,
        caller_leg: LegId,
        target_leg: LegId,
        bridge_id: BridgeId,
        conversation: Conversation,
        clock: Clock,
        before_join: Callable[[], Awaitable[None]],
        on_target_ended: Callable[[Hangup], None],
    ) -> None:
        self.record = TransferRecord(request.destination, request.mode, "requested", clock.now())
        self._request = request
        self._pbx = pbx
        self._caller_leg = caller_leg
        self.target_leg = target_leg
        self._bridge_id = bridge_id
        self._conversation = conversation
        self._clock = clock
        self._before_join = before_join
        self._on_target_ended = on_target_ended
        self._state = TransferState.ANNOUNCING
        self._mailbox: asyncio.Queue[TransferHappening] = asyncio.Queue()
        self._watch = pbx.watch(target_leg)

    def cancel(self) -> None:
        """The caller stays with the assistant. No effect once both parties are joined."""
        self._mailbox.put_nowait(_H.CANCELLED)

    async def run(self) -> TransferRecord:
        """Carries the transfer out; returns its record when it completed, failed or was cancelled."""
        async with asyncio.TaskGroup() as tasks:
            announcing = tasks.create_task(self._announce(), name="transfer-announce")
            while self._state not in FINAL:
                happening = await self._mailbox.get()
                if self._state in FINAL:
                    break
                self._state, actions = step(self._state, happening)
                for action in actions:
                    await self._act(action)
            announcing.cancel()
        return self.record

    async def follow_target(self) -> None:
        """Reports what happens to the target's leg, to its end; owned by the call, as it outlives `run`."""
        async for event in self._watch:
            match event:
                case LegRinging() | LegEarlyMedia():
                    self._mailbox.put_nowait(_H.TARGET_RANG)
                case LegAnswered():
                    self._mailbox.put_nowait(_H.TARGET_ANSWERED)
                case LegEnded(hangup=hangup):
                    self._target_ended(hangup)
                case _:
                    pass

    def forget_target(self) -> None:
        """Nobody follows the target's leg any more."""
        self._watch.close()

    async def abandon(self) -> None:
        """The caller is gone or the call ends: nobody is left to return to. For the owner, after `run` was cancelled."""
        if self._state not in FINAL:
            self._state = TransferState.CANCELLED
            self.record = replace(self.record, status="cancelled")
        if self.record.ended_at is None:
            self.record = replace(self.record, ended_at=self._clock.now())
        await self.hang_up_target()

    async def hang_up_target(self) -> None:
        """Ends the target's leg, if there is one. Never raises."""
        try:
            await self._pbx.hang_up(self.target_leg)
        except UpstreamError as error:
            _log.warning("transfer target not hung up", error=error.message)

    async def _announce(self) -> None:
        if self._request.message:
            await self._conversation.say_and_wait(self._request.message, _ANNOUNCEMENT_LIMIT_S)
        self._mailbox.put_nowait(_H.ANNOUNCED)

    def _target_ended(self, hangup: Hangup) -> None:
        self.record = replace(self.record, hangup=hangup, ended_at=self._clock.now())
        if self._state is TransferState.COMPLETED:
            self._on_target_ended(hangup)
        elif self._state not in FINAL:
            self._mailbox.put_nowait(_H.TARGET_ENDED)

    async def _act(self, action: TransferAction) -> None:
        match action:
            case TransferAction.DIAL_TARGET:
                await self._dial_target()
            case TransferAction.JOIN_LEGS:
                await self._join_legs()
            case TransferAction.HANG_UP_TARGET:
                await self.hang_up_target()
            case TransferAction.COMPLETE:
                self.record = replace(self.record, status="completed")
            case TransferAction.RETURN:
                await self._return_caller()

    async def _dial_target(self) -> None:
        self._conversation.pause()
        request = self._request
        try:
            await self._pbx.start_ringback(self._caller_leg)
            await self._pbx.originate(
                Originate(
                    leg_id=self.target_leg,
                    trunk_id=request.trunk_id,
                    destination=request.destination,
                    caller_id=request.caller_id,
                    ring_timeout_s=request.ring_timeout_s,
                    max_duration_s=request.max_duration_s,
                )
            )
        except UpstreamError as error:
            self.record = replace(self.record, error=error.message)
            self._mailbox.put_nowait(_H.TARGET_ENDED)

    async def _join_legs(self) -> None:
        self.record = replace(self.record, answered_at=self._clock.now())
        try:
            await self._pbx.stop_ringback(self._caller_leg)
            await self._before_join()
            await self._pbx.join(self._bridge_id, self.target_leg)
        except UpstreamError as error:
            self.record = replace(self.record, error=error.message)
            self._mailbox.put_nowait(_H.JOIN_FAILED)
        else:
            self._mailbox.put_nowait(_H.JOINED)

    async def _return_caller(self) -> None:
        status: Outcome = "cancelled" if self._state is TransferState.CANCELLED else "failed"
        why = self.record.error or (self.record.hangup.cause if self.record.hangup else None)
        self.record = replace(self.record, status=status, error=None if status == "cancelled" else why)
        try:
            await self._pbx.stop_ringback(self._caller_leg)
        except UpstreamError as error:
            _log.warning("ringback not stopped", error=error.message)
        self._conversation.resume()
