"""The calls of this process: placed, held while they live, swept, drained. The door that API, campaigns and tools use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from trunkline.calls.control import carry_out
from trunkline.calls.dial_policy import check_destination
from trunkline.calls.ending import as_record
from trunkline.calls.housekeeping import Housekeeper
from trunkline.calls.journal import CallJournal
from trunkline.calls.limits import Lines, Slot
from trunkline.calls.live import Ended, LiveCall
from trunkline.calls.order import CallOrder
from trunkline.calls.outbound import EngineRoom, LegNamer, Prepared, policy, prepare
from trunkline.calls.reconcile import Possessions, Repairs
from trunkline.calls.recording import CallRecording
from trunkline.calls.requests import CallsQuery, ControlCommand, OutboundRequest
from trunkline.core.clock import Clock
from trunkline.core.errors import CallerError, NotFound, NotNow, UpstreamError
from trunkline.core.events import CallEvent
from trunkline.core.ids import CallId, Choose, OrganizationId
from trunkline.core.numbers import parse_transfer_target
from trunkline.observe.metrics import Metrics
from trunkline.pbx.port import Pbx
from trunkline.resources.assistants import AssistantService
from trunkline.resources.numbers import NumberService
from trunkline.settings import Settings
from trunkline.store.rows import CallRow, IdempotencyRow
from trunkline.store.store import Store

_log = structlog.get_logger()
_JOURNAL_KEPT_S = 60.0  # a follower that comes late still hears how the call ended


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that is stored and with the PBX."""

    call_id: CallId
    room_name: str
    warnings: Sequence[str]


@dataclass(slots=True)
class _Held:
    """A live call with what belongs to it here."""

    call: LiveCall
    row: CallRow
    slot: Slot
    namer: LegNamer
    task: asyncio.Task[None] | None = None


def _kept_answer(prepared: Prepared, claim: IdempotencyRow | None) -> IdempotencyRow | None:
    """The answer as the client will get it, stored with the call: a process that dies between the two never dials twice."""
    if claim is None:
        return None
    answer = {
        "success": True,
        "call_id": prepared.row.id,
        "room_name": prepared.row.room_name,
        "status": "dialing",
    }
    if prepared.warnings:
        answer["warnings"] = list(prepared.warnings)
    return replace(claim, status=200, body=json.dumps(answer, ensure_ascii=False, separators=(",", ":")))


class CallService:
    """Every call has one entry in `_held` from the moment it is stored to its terminal record."""

    def __init__(
        self,
        *,
        pbx: Pbx,
        store: Store,
        assistants: AssistantService,
        numbers: NumberService,
        engines: EngineRoom,
        settings: Settings,
        clock: Clock,
        choose: Choose,
        metrics: Metrics,
        disk: Executor,
    ) -> None:
        self._pbx = pbx
        self._store = store
        self._assistants = assistants
        self._numbers = numbers
        self._engines = engines
        self._settings = settings
        self._clock = clock
        self._choose = choose
        self._metrics = metrics
        self._disk = disk
        self._lines = Lines(settings.calls.max_concurrent)
        self._held: dict[CallId, _Held] = {}
        self._journals: dict[CallId, CallJournal] = {}
        self._draining = False
        self._none_held = asyncio.Event()
        self._none_held.set()
        self._housekeeper = Housekeeper(pbx, store, settings, clock, held=self._possessions)

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Puts right what an earlier life left behind, then sweeps every 30 s."""
        await self._housekeeper.start()

    async def drain(self, grace_s: float) -> None:
        """Refuses new calls, lets running ones finish for `grace_s`, then ends them. Returns when none is left."""
        self._draining = True
        if self._held and grace_s > 0:
            _log.info("waiting for calls to end", calls=len(self._held), grace_s=grace_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._none_held.wait()
        for held in list(self._held.values()):
            held.call.end("error", "The service was stopped.")
        await self._none_held.wait()

    async def stop(self) -> None:
        """Ends the sweeper. `drain` comes before."""
        await self._housekeeper.stop()

    async def reconcile(self) -> Repairs:
        """Compares the PBX with the store and puts right what differs; says what it did."""
        return await self._housekeeper.reconcile()

    def draining(self) -> bool:
        """Whether new calls are refused because the service is stopping."""
        return self._draining

    @property
    def lines_in_use(self) -> int:
        """Lines that calls hold now."""
        return self._lines.in_use

    @property
    def live_count(self) -> int:
        """Calls that have not ended."""
        return len(self._held)

    # --- what clients ask -------------------------------------------------------------------------------------------

    async def place(
        self,
        organization_id: OrganizationId,
        request: OutboundRequest,
        idempotency: IdempotencyRow | None = None,
    ) -> PlacedCall:
        """Stores a call, hands it to the PBX and returns before it is answered.

        Raises:
            InvalidField, NotFound: the request can't be carried out; nothing was stored.
            LimitReached: no line is free; nothing was stored.
            NotNow: the service is stopping, or the PBX did not take the call, which is then recorded as failed.
            UpstreamError: the PBX's answer was lost, so the call may have been dialled; it is never dialled again.
        """
        self._check_open()
        prepared = await prepare(
            organization_id,
            request,
            assistants=self._assistants,
            numbers=self._numbers,
            engines=self._engines,
            settings=self._settings,
            clock=self._clock,
            choose=self._choose,
        )
        self._check_open()  # it may have closed meanwhile; from here to the hold nothing waits
        slot = self._lines.reserve(prepared.order.trunk_id, prepared.max_channels)
        try:
            held = self._make(prepared, slot)
            # Held before it is stored, or a sweep between the two would take it for a call of an earlier life.
            self._hold(held)
            await self._store.calls.insert(prepared.row, _kept_answer(prepared, idempotency))
        except BaseException:
            self._let_go(prepared.row.id, slot)
            raise
        self._launch(held)
        try:
            await held.call.dialled()
        except UpstreamError as error:
            if not error.retryable:
                raise UpstreamError(
                    f"The PBX may have dialled: {error.message} Look the call up as {held.row.id}."
                ) from error
            if idempotency is not None:
                await self._store.idempotency.reopen(idempotency)
            raise NotNow(
                f"The PBX did not take the call: {error.message} It is recorded as {held.row.id}.",
                code="pbx_unavailable",
            ) from error
        return PlacedCall(held.row.id, held.row.room_name or "", prepared.warnings)

    async def control(
        self, organization_id: OrganizationId, call_id: str, command: ControlCommand
    ) -> Sequence[str]:
        """Hands a command to a call in progress.

        Raises:
            NotFound: the organization has no such call.
            CallerError: it is not in progress.
        """
        held = await self._live(organization_id, call_id)
        await carry_out(command, held.call, self._pbx, policy(self._settings))
        return held.row.warnings if self._is_realtime(held.row) else []

    async def cancel(self, organization_id: OrganizationId, call_id: str) -> None:
        """Ends a call, whether it rings or talks; no error when it is ending already.

        Raises:
            NotFound, CallerError: as `control`.
        """
        (await self._live(organization_id, call_id)).call.end("api_end_call")

    async def get(self, organization_id: OrganizationId, call_id: str) -> CallRow:
        """One call; a live one with what was said so far."""
        return self._with_live(await self._store.calls.get(organization_id, call_id))

    async def list(self, organization_id: OrganizationId, query: CallsQuery) -> tuple[Sequence[CallRow], int]:
        """A page of calls, newest first, and how many there are."""
        rows, total = await self._store.calls.list(
            organization_id,
            limit=query.limit,
            offset=query.offset,
            status=query.status,
            start=query.start_date,
            end=query.end_date,
        )
        return [self._with_live(row) for row in rows], total

    def follow(self, call_id: CallId, after_seq: int = 0) -> AsyncIterator[CallEvent]:
        """What a call told and tells, up to `ended`. Calls that ended over a minute ago tell nothing more.

        Raises:
            NotFound: nothing is kept of this call's events.
        """
        journal = self._journals.get(call_id)
        if journal is None:
            raise NotFound("This call's events are no longer kept; its record has the whole story.")
        return journal.follow(after_seq)

    # --- one call ---------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._draining:
            raise NotNow(
                "This service is stopping and takes no new calls.", retry_after_s=10, code="draining"
            )

    def _hold(self, held: _Held) -> None:
        self._held[held.row.id] = held
        self._none_held.clear()

    def _let_go(self, call_id: CallId, slot: Slot) -> None:
        slot.release()
        self._held.pop(call_id, None)
        if not self._held:
            self._none_held.set()

    def _make(self, prepared: Prepared, slot: Slot) -> _Held:
        """A call that is ready to live. Nothing has happened yet, so a failure here leaves nothing behind."""
        order = prepared.order
        journal = CallJournal(order.organization_id, order.call_id, self._clock)
        namer = LegNamer(order, self._choose)
        call = LiveCall(
            order,
            pbx=self._pbx,
            engines=prepared.engines,
            recording=self._recording(order),
            journal=journal,
            clock=self._clock,
            new_leg_id=namer,
            may_dial=lambda target: check_destination(parse_transfer_target(target), policy(self._settings)),
            on_answered=lambda at: self._note_answer(order.call_id, at),
            on_line_free=slot.release,
        )
        return _Held(call, prepared.row, slot, namer)

    def _launch(self, held: _Held) -> None:
        self._journals[held.row.id] = held.call.journal
        self._metrics.call_started()
        held.task = asyncio.create_task(self._run(held), name=f"call {held.row.id}")

    def _recording(self, order: CallOrder) -> CallRecording | None:
        if not order.record:
            return None
        path = self._settings.recordings.folder / f"{order.call_id}.wav"
        return CallRecording(path, order.audio, executor=self._disk, clock=self._clock)

    async def _run(self, held: _Held) -> None:
        with structlog.contextvars.bound_contextvars(call_id=held.row.id):
            try:
                ended = await held.call.run()
                try:
                    await self._record_end(held, ended)
                except Exception:  # noqa: BLE001  # the edge of a task; the next sweep ends the record
                    _log.exception("end of a call not stored")
                self._tell_end(held, ended)
            finally:
                self._let_go(held.row.id, held.slot)
                asyncio.get_running_loop().call_later(_JOURNAL_KEPT_S, self._journals.pop, held.row.id, None)

    async def _note_answer(self, call_id: CallId, at: datetime) -> None:
        await self._store.calls.update(call_id, status="in-progress", started_at=at)

    async def _record_end(self, held: _Held, ended: Ended) -> None:
        verdict = ended.verdict
        keep = held.call.order.keep_content
        await self._store.calls.end(
            held.row.id,
            status=verdict.status,
            end_reason=verdict.end_reason,
            error=verdict.error,
            hangup=as_record(ended.hangup),
            started_at=ended.answered_at,
            ended_at=ended.ended_at,
            duration_seconds=ended.duration_seconds,
            messages=ended.messages if keep else [],
            latency=ended.latency,
            media=ended.media,
            transfer=ended.transfer,
            **({} if ended.recorded else {"recording_path": None}),
        )

    def _tell_end(self, held: _Held, ended: Ended) -> None:
        verdict = ended.verdict
        self._metrics.call_ended(verdict.end_reason)
        for turn in ended.latency:
            self._metrics.turn_heard(turn)
        _log.info(
            "call ended",
            status=verdict.status,
            end_reason=verdict.end_reason,
            cause=ended.hangup.cause,
            seconds=ended.duration_seconds,
        )
        held.call.journal.tell(
            "ended",
            {
                "status": verdict.status,
                "end_reason": verdict.end_reason,
                "error": verdict.error,
                "hangup": as_record(ended.hangup),
            },
        )

    async def _live(self, organization_id: OrganizationId, call_id: str) -> _Held:
        held = self._held.get(CallId(call_id))
        if held is not None and held.row.organization_id == organization_id:
            return held
        await self._store.calls.get(organization_id, call_id)
        raise CallerError(
            "The call is not in progress any more.", title="Call is not in progress", code="not_in_progress"
        )

    def _with_live(self, row: CallRow) -> CallRow:
        held = self._held.get(row.id)
        if held is None or not held.call.order.keep_content:
            return row
        conversation = held.call.conversation
        return replace(
            row,
            messages=conversation.transcript(),
            latency=conversation.latencies(),
            transfer=held.call.transfer_record,
        )

    @staticmethod
    def _is_realtime(row: CallRow) -> bool:
        return str((row.assistant.get("llm_config") or {}).get("provider", "")).endswith("_realtime")

    def _possessions(self) -> Possessions:
        return Possessions(
            calls=self._held.keys(),
            legs={leg for held in self._held.values() for leg in held.namer.legs},
            bridges={held.call.order.bridge_id for held in self._held.values()},
        )
