"""One call while it lives: a mailbox, one owner, the table of `table.py` carried out.

Everything that happens to the call (events of its leg, commands, timers, wishes of the conversation) goes through the
mailbox and is handled one after the other, so no two of them can race. The owner ends in exactly one terminal record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from trunkline.calls.ending import Verdict, Wanted, conclude
from trunkline.calls.journal import CallJournal
from trunkline.calls.media_link import MediaLink
from trunkline.calls.order import CallOrder
from trunkline.calls.quality import as_media
from trunkline.calls.recording import CallRecording
from trunkline.calls.table import Action, Happening, IllegalHappeningError, State, step
from trunkline.calls.transfer import TransferRecord, TransferRequest
from trunkline.calls.transfer_desk import TransferDesk
from trunkline.conversation.plan import ConversationEngines
from trunkline.conversation.session import Conversation
from trunkline.core.clock import Clock
from trunkline.core.errors import CallerError, UpstreamError
from trunkline.core.events import CallEventType
from trunkline.core.ids import LegId
from trunkline.pbx.hangup import PBX_LOST, Hangup, verdict
from trunkline.pbx.port import (
    LegAnswered,
    LegDigit,
    LegEarlyMedia,
    LegEnded,
    LegQuality,
    LegRinging,
    LegWatch,
    Originate,
    Pbx,
)
from trunkline.store.rows import EndReason

_log = structlog.get_logger()
_HANG_UP_LIMIT_S = 8.0  # a PBX that does not confirm a hang-up in this time has lost the leg
_PBX_SAFETY_S = 60  # the PBX's own limit lies this far behind ours, for the day when we are gone
_FIRST_QUALITY_S = 2.0
_QUALITY_EVERY_S = 10.0
_QUALITY_LIMIT_S = 0.5  # a hang-up must not wait for figures
_NOT_TOLD = verdict(0, None)  # the call ended before its leg could tell why


@dataclass(frozen=True, slots=True)
class Ended:
    """Everything the terminal record needs."""

    verdict: Verdict
    hangup: Hangup
    answered_at: datetime | None
    ended_at: datetime
    duration_seconds: float
    messages: list[dict[str, Any]]
    latency: list[dict[str, Any]]
    media: dict[str, Any]
    transfer: dict[str, Any] | None
    recorded: bool


@dataclass(slots=True)
class _Facts:
    """What was seen so far."""

    answered_at: datetime | None = None
    answered_s: float | None = None
    ended_at: datetime | None = None
    ended_s: float = 0.0
    wanted: Wanted | None = None
    hangup: Hangup = _NOT_TOLD
    quality: LegQuality | None = None


class LiveCall:
    """The owner of one call. `run` is its life and returns its end; it never raises for what the world does."""

    def __init__(
        self,
        order: CallOrder,
        *,
        pbx: Pbx,
        engines: ConversationEngines,
        recording: CallRecording | None,
        journal: CallJournal,
        clock: Clock,
        new_leg_id: Callable[[str], LegId],
        may_dial: Callable[[str], None],
        on_answered: Callable[[datetime], Awaitable[None]],
        on_line_free: Callable[[], None],
    ) -> None:
        self.order = order
        self.journal = journal
        self.conversation = Conversation(
            order.plan, engines=engines, audio=order.audio, call=self, clock=clock
        )
        self._pbx = pbx
        self._clock = clock
        self._recording = recording
        self._may_dial = may_dial
        self._on_answered = on_answered
        self._on_line_free = on_line_free
        self._mailbox: asyncio.Queue[tuple[Happening, Any]] = asyncio.Queue()
        self._state = State.DIALLING
        self._facts = _Facts()
        self._media = MediaLink(
            pbx,
            order.bridge_id,
            order.audio,
            self.conversation,
            new_leg_id=lambda: new_leg_id("media"),
            on_lost=lambda reason: self._post(Happening.MEDIA_LOST, reason),
        )
        self._desk = TransferDesk(
            order,
            pbx=pbx,
            conversation=self.conversation,
            media=self._media,
            recording=recording,
            clock=clock,
            new_leg_id=new_leg_id,
            spawn=self._spawn,
            on_done=self._transfer_done,
            on_target_ended=lambda hangup: self._post(Happening.TARGET_ENDED, hangup),
        )
        self._dialled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._side: set[asyncio.Task[None]] = set()

    # --- what others ask of a live call -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the call is."""
        return self._state

    @property
    def transfer_record(self) -> dict[str, Any] | None:
        """The last transfer so far, as the record keeps it."""
        return self._desk.last.as_json() if self._desk.last else None

    async def dialled(self) -> None:
        """Returns once the PBX took the call.

        Raises:
            UpstreamError: it did not; the call has then ended as failed.
        """
        await asyncio.shield(self._dialled)

    def end(self, reason: EndReason, error: str | None = None) -> None:
        """Asks for the end; the first reason counts."""
        self._post(Happening.END_WANTED, Wanted(reason, error))

    def end_after(self, message: str, reason: EndReason) -> None:
        """Says `message` to its end, then ends."""
        self._spawn(self._say_then_end(message, reason), "farewell")

    def transfer(self, request: TransferRequest) -> None:
        """Starts a transfer; refused silently when the call is ending (the caller is gone)."""
        self._post(Happening.TRANSFER_WANTED, request)

    def cancel_transfer(self) -> bool:
        """True when a transfer was under way."""
        return self._state is State.TRANSFERRING and self._desk.cancel()

    # --- what the conversation asks (conversation.session.CallSide) -------------------------------------------------

    def tell(self, type: CallEventType, data: dict[str, Any]) -> None:
        """Passes the conversation's news on."""
        if not self.journal.closed:
            self.journal.tell(type, data)

    def request_end(self, reason: EndReason) -> None:
        """The conversation is over, all heard."""
        self.end(reason)

    def request_transfer(self, destination: str, message: str | None) -> None:
        """The model wants a human. What it says is input like any other: the dial policy decides."""
        try:
            self._may_dial(destination)
        except CallerError as refused:
            _log.warning("model asked for a transfer that is not allowed", code=refused.code)
            note = "The transfer was refused: this destination is not allowed. Tell the caller that you can not connect them."
            self._spawn(self.conversation.inject(note, trigger_response=True), "transfer-refused")
        else:
            self.transfer(self.transfer_request(destination, message))

    def on_caller_audio(self, frames: bytes, at_s: float) -> None:
        """The recording's left channel."""
        if self._recording is not None:
            self._recording.on_caller(frames, at_s)

    def on_assistant_audio(self, frames: bytes, at_s: float) -> None:
        """The recording's right channel, as it is heard."""
        if self._recording is not None:
            self._recording.on_assistant(frames, at_s)

    def transfer_request(
        self,
        destination: str,
        message: str | None,
        *,
        ring_timeout_s: int | None = None,
        caller_id: str | None = None,
        fallback_message: str | None = None,
    ) -> TransferRequest:
        """A transfer of this call over its transfer trunk, shown as our number unless told otherwise."""
        return TransferRequest(
            destination=destination,
            trunk_id=self.order.transfer_trunk_id,
            caller_id=caller_id or self.order.caller_id,
            ring_timeout_s=ring_timeout_s or self.order.transfer_timeout_s,
            max_duration_s=self.order.max_duration_s + _PBX_SAFETY_S,
            message=message,
            fallback_message=fallback_message,
        )

    # --- the call's life --------------------------------------------------------------------------------------------

    async def run(self) -> Ended:
        """From the dial to the end, with everything on the PBX put away."""
        watch = self._pbx.watch(self.order.leg_id)
        following = self._spawn(self._follow_leg(watch), "leg")
        following.add_done_callback(lambda _: watch.close())
        try:
            await self._dial()
            while self._state is not State.ENDED:
                happening, detail = await self._mailbox.get()
                await self._handle(happening, detail)
        except Exception:  # noqa: BLE001  # the edge of a task
            _log.exception("call failed inside")
            self._facts.wanted = Wanted("error", "An internal error ended the call.")
        finally:
            self._state = State.ENDED
            # The talk is over here; what it takes to put everything away is nobody's call time.
            self._facts.ended_at, self._facts.ended_s = self._clock.now(), self._clock.monotonic()
            self._on_line_free()
            await self._put_away()
        return self._ended()

    async def _dial(self) -> None:
        dialling = False
        try:
            await self._pbx.open_bridge(self.order.bridge_id)
            await self._media.open()
            self._spawn(self.conversation.prepare(), "prepare")
            dialling = True
            await self._pbx.originate(self._leg())
        except UpstreamError as error:
            self._facts.wanted = Wanted("dial_failed", error.message)
            self._state = State.ENDED
            # Before the leg was ordered nothing can have left for the carrier.
            self._dialled.set_exception(error if dialling else UpstreamError(error.message, retryable=True))
        else:
            self._dialled.set_result(None)

    def _leg(self) -> Originate:
        order = self.order
        return Originate(
            leg_id=order.leg_id,
            trunk_id=order.trunk_id,
            destination=order.destination,
            caller_id=order.caller_id,
            ring_timeout_s=order.ring_timeout_s,
            max_duration_s=order.ring_timeout_s + order.max_duration_s + _PBX_SAFETY_S,
            bridge_id=order.bridge_id,
        )

    async def _follow_leg(self, watch: LegWatch) -> None:
        async for event in watch:
            match event:
                case LegRinging():
                    self._post(Happening.RANG)
                case LegEarlyMedia():
                    self._post(Happening.PROGRESSED)
                case LegAnswered():
                    self._post(Happening.ANSWERED)
                case LegDigit(digit=digit):
                    self.conversation.on_digit(digit)
                case LegEnded(hangup=hangup):
                    self._post(Happening.LEG_ENDED, hangup)

    async def _handle(self, happening: Happening, detail: Any) -> None:
        before = self._state
        try:
            self._state, actions = step(before, happening)
        except IllegalHappeningError as defect:
            # A defect of ours must not cost a caller the call.
            _log.error("illegal happening", error=defect.message)
            return
        if happening is Happening.END_WANTED and self._facts.wanted is None and before is not State.ENDING:
            self._facts.wanted = detail
        for action in actions:
            await self._act(action, detail)

    async def _act(self, action: Action, detail: Any) -> None:
        match action:
            case Action.TELL_RINGING:
                self.journal.tell("ringing")
            case Action.TELL_EARLY_MEDIA:
                self.journal.tell("early_media")
            case Action.START_TALK:
                await self._start_talk()
            case Action.START_TRANSFER:
                self._start_transfer(detail)
            case Action.CANCEL_TRANSFER:
                await self._desk.drop()
            case Action.HAND_OVER:
                await self._hand_over(detail)
            case Action.RETURN_TO_TALK:
                await self._return_to_talk(detail)
            case Action.RESTORE_MEDIA:
                self._spawn(self._restore_media(), "restore-media")
            case Action.HANG_UP:
                self._spawn(self._hang_up(), "hang-up")
            case Action.FINISH:
                self._facts.hangup = detail

    async def _start_talk(self) -> None:
        self.conversation.start()  # first, so that the greeting waits for nothing
        self._facts.answered_at = self._clock.now()
        self._facts.answered_s = self._clock.monotonic()
        if self._recording is not None:
            self._recording.start(self._facts.answered_s)
        self.journal.tell("in-progress")
        self._spawn(self._end_at_limit(), "max-duration")
        self._spawn(self._ask_quality(), "quality")
        await self._on_answered(self._facts.answered_at)

    async def _end_at_limit(self) -> None:
        await asyncio.sleep(self.order.max_duration_s)
        self.end("max_duration")

    async def _ask_quality(self) -> None:
        await asyncio.sleep(_FIRST_QUALITY_S)
        while True:
            await self._note_quality()
            await asyncio.sleep(_QUALITY_EVERY_S)

    async def _note_quality(self) -> None:
        try:
            async with asyncio.timeout(_QUALITY_LIMIT_S):
                self._facts.quality = await self._pbx.leg_quality(self.order.leg_id) or self._facts.quality
        except (UpstreamError, TimeoutError) as error:
            _log.debug("no quality figures", error=str(error))

    async def _say_then_end(self, message: str, reason: EndReason) -> None:
        await self.conversation.say_and_wait(message, timeout_s=60.0)
        self.end(reason)

    async def _hang_up(self) -> None:
        await self._note_quality()
        try:
            await self._pbx.hang_up(self.order.leg_id)
        except UpstreamError as error:
            _log.warning("hang-up not confirmed", error=error.message)
        await asyncio.sleep(_HANG_UP_LIMIT_S)
        self._post(Happening.LEG_ENDED, PBX_LOST)

    async def _restore_media(self) -> None:
        if not await self._media.restore():
            self.end("error", "The audio connection with the PBX was lost and could not be restored.")

    # --- transfer ---------------------------------------------------------------------------------------------------

    def _start_transfer(self, request: TransferRequest) -> None:
        self.journal.tell("transferring", {"destination": request.destination, "mode": request.mode})
        self._desk.start(request)

    def _transfer_done(self, record: TransferRecord, request: TransferRequest) -> None:
        completed = record.status == "completed"
        self._post(Happening.TRANSFER_COMPLETED if completed else Happening.TRANSFER_FAILED, request)

    async def _hand_over(self, request: TransferRequest) -> None:
        await self.conversation.stop()
        await self._media.close()
        self.journal.tell("transferred", {"destination": request.destination, "mode": request.mode})

    async def _return_to_talk(self, request: TransferRequest) -> None:
        record = await self._desk.caller_returned(request)
        news = {
            "destination": request.destination,
            "mode": request.mode,
            "error": record.error,
            "status": record.status,
        }
        self.journal.tell("transfer_failed", news)

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _put_away(self) -> None:
        """Nothing of this call stays on the PBX, whatever failed before. Each step stands alone."""
        for task in self._side:
            task.cancel()
        await asyncio.gather(*self._side, return_exceptions=True)
        if not self._dialled.done():
            self._dialled.set_exception(UpstreamError("The call ended before it was dialled."))
        self._dialled.exception()  # read, so that nobody warns of a call that was not awaited
        for name, step_away in (
            ("conversation", self.conversation.stop),
            ("leg", lambda: self._pbx.hang_up(self.order.leg_id)),
            ("target", self._desk.drop),
            ("media", self._media.close),
            ("bridge", lambda: self._pbx.close_bridge(self.order.bridge_id)),
            ("recording", self._close_recording),
        ):
            try:
                async with asyncio.timeout(_HANG_UP_LIMIT_S):
                    await step_away()
            except (UpstreamError, TimeoutError) as error:
                _log.warning("not put away", what=name, error=str(error))
            except Exception:  # noqa: BLE001  # the edge of a task
                _log.exception("not put away", what=name)

    async def _close_recording(self) -> None:
        if self._recording is not None:
            await self._recording.close(self._pbx)

    def _ended(self) -> Ended:
        facts = self._facts
        duration = facts.ended_s - facts.answered_s if facts.answered_s is not None else 0.0
        return Ended(
            verdict=conclude(
                facts.hangup,
                answered=facts.answered_at is not None,
                handed_over=self._desk.completed,
                wanted=facts.wanted,
            ),
            hangup=facts.hangup,
            answered_at=facts.answered_at,
            ended_at=facts.ended_at or self._clock.now(),
            duration_seconds=round(duration, 3),
            messages=self.conversation.transcript(),
            latency=self.conversation.latencies(),
            media=as_media(facts.quality, self.order.audio.asterisk_name),
            transfer=self.transfer_record,
            recorded=self._recording is not None and self._recording.path is not None,
        )

    # --- small things -----------------------------------------------------------------------------------------------

    def _post(self, happening: Happening, detail: Any = None) -> None:
        self._mailbox.put_nowait((happening, detail))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts work that this call owns: ended with the call; its failure ends the call, never the service."""
        task = asyncio.create_task(self._guard(work, name), name=f"{name} {self.order.call_id}")
        self._side.add(task)
        task.add_done_callback(self._side.discard)
        task.add_done_callback(lambda _: work.close())  # it may have ended before it began
        return task

    async def _guard(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001  # the edge of a task
            _log.exception("work of a call failed", work=name)
            self.end("error", f"An internal error ended the call (while: {name}).")
