"""The transfers of one call: at most one under way, all of them remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from trunkline.calls.media_link import MediaLink
from trunkline.calls.order import CallOrder
from trunkline.calls.recording import CallRecording
from trunkline.calls.transfer import BlindTransfer, TransferRecord, TransferRequest
from trunkline.conversation.session import Conversation
from trunkline.core.clock import Clock
from trunkline.core.ids import LegId
from trunkline.pbx.hangup import Hangup
from trunkline.pbx.port import Pbx

_FALLBACK = "I am sorry, I could not reach anyone. How else can I help?"

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


class TransferDesk:
    """Starts, watches and ends transfers for the call that owns it; `spawn` gives their tasks to that call."""

    def __init__(
        self,
        order: CallOrder,
        *,
        pbx: Pbx,
        conversation: Conversation,
        media: MediaLink,
        recording: CallRecording | None,
        clock: Clock,
        new_leg_id: Callable[[str], LegId],
        spawn: Spawn,
        on_done: Callable[[TransferRecord, TransferRequest], None],
        on_target_ended: Callable[[Hangup], None],
    ) -> None:
        self._order = order
        self._pbx = pbx
        self._conversation = conversation
        self._media = media
        self._recording = recording
        self._clock = clock
        self._new_leg_id = new_leg_id
        self._spawn = spawn
        self._on_done = on_done
        self._on_target_ended = on_target_ended
        self._current: BlindTransfer | None = None
        self._carrying_out: asyncio.Task[None] | None = None
        self._past: list[TransferRecord] = []

    @property
    def completed(self) -> bool:
        """The caller was joined with a target."""
        record = self.last
        return record is not None and record.status == "completed"

    @property
    def last(self) -> TransferRecord | None:
        """The newest transfer, as far as it is."""
        if self._current is not None:
            return self._current.record
        return self._past[-1] if self._past else None

    def start(self, request: TransferRequest) -> None:
        """Begins a transfer; `on_done` tells how it came out."""
        transfer = BlindTransfer(
            request,
            pbx=self._pbx,
            caller_leg=self._order.leg_id,
            target_leg=self._new_leg_id("target"),
            bridge_id=self._order.bridge_id,
            conversation=self._conversation,
            clock=self._clock,
            before_join=self._make_room,
            on_target_ended=self._on_target_ended,
        )
        self._current = transfer
        following = self._spawn(transfer.follow_target(), "transfer-target")
        following.add_done_callback(lambda _: transfer.forget_target())
        self._carrying_out = self._spawn(self._carry_out(transfer, request), "transfer")

    def cancel(self) -> bool:
        """Takes the caller back; False when there is nothing to cancel."""
        if self._current is None or self._current.record.status != "requested":
            return False
        self._current.cancel()
        return True

    async def caller_returned(self, request: TransferRequest) -> TransferRecord:
        """The assistant has the caller back: recording goes on here, and the caller hears why."""
        assert self._current is not None
        record = self._current.record
        self._past.append(record)
        self._current = None
        await self._media.step_back()
        if self._recording is not None:
            await self._recording.take_back(self._pbx)
        if record.status == "failed":
            await self._conversation.say(request.fallback_message or _FALLBACK)
        note = f"The transfer was not completed ({record.status}: {record.error})."
        await self._conversation.inject(note, trigger_response=False)
        return record

    async def drop(self) -> None:
        """The call is ending: nobody returns, and the target's leg goes."""
        if self._carrying_out is not None:
            self._carrying_out.cancel()
        if self._current is not None:
            await self._current.abandon()

    async def _carry_out(self, transfer: BlindTransfer, request: TransferRequest) -> None:
        self._on_done(await transfer.run(), request)

    async def _make_room(self) -> None:
        """Our leg goes first: a recorder that starts in a bridge whose mixing technology then changes twice stays silent."""
        await self._media.step_aside()
        if self._recording is not None:
            await self._recording.hand_to_pbx(self._pbx, self._order.leg_id)
