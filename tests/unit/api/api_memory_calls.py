"""Calls without a telephone: they are stored as the real ones are, and go where a test sends them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trunkline.calls.journal import CallJournal
from trunkline.calls.requests import CallsQuery, ControlCommand, OutboundRequest
from trunkline.core.clock import Clock
from trunkline.core.errors import CallerError, NotFound
from trunkline.core.events import CallEvent
from trunkline.core.ids import CallId, OrganizationId, new_outbound_call_id, new_room_name
from trunkline.store.rows import CallRow, IdempotencyRow
from trunkline.store.store import Store


@dataclass(frozen=True)
class PlacedCall:
    call_id: CallId
    room_name: str
    warnings: Sequence[str] = ()


class MemoryCalls:
    """Keeps the promises of `api.services.Calls` without a PBX.

    Attributes:
        before_dialling: runs once the call is stored; raise here what the PBX would.
        commands: what reached which call.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._journals: dict[CallId, CallJournal] = {}
        self.before_dialling: Callable[[], Any] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.commands: list[tuple[str, ControlCommand]] = []
        self.warnings: list[str] = []
        self.is_draining = False
        self.placed = 0
        self.waiting = 0

    async def place(
        self,
        organization_id: OrganizationId,
        request: OutboundRequest,
        idempotency: IdempotencyRow | None = None,
    ) -> PlacedCall:
        self.waiting += 1
        await self.gate.wait()
        if request.choice.assistant_id:
            await self._store.assistants.get(organization_id, request.choice.assistant_id)
        now = self._clock.now()
        call_id, room = new_outbound_call_id(secrets.choice), new_room_name(secrets.choice)
        row = CallRow(
            call_id,
            organization_id,
            "outbound",
            "connecting",
            now,
            now,
            caller_phone=request.destination,
            room_name=room,
            assistant_id=request.choice.assistant_id,
            metadata=request.metadata,
        )
        await self._store.calls.insert(row, idempotency)
        self._journals[call_id] = CallJournal(organization_id, call_id, self._clock)
        self.before_dialling()
        self.placed += 1
        return PlacedCall(call_id, room, self.warnings)

    async def control(
        self, organization_id: OrganizationId, call_id: str, command: ControlCommand
    ) -> Sequence[str]:
        if (await self.get(organization_id, call_id)).status != "in-progress":
            raise CallerError("This call is not in progress.", code="call_not_in_progress")
        self.commands.append((call_id, command))
        return self.warnings

    async def cancel(self, organization_id: OrganizationId, call_id: str) -> None:
        if (await self.get(organization_id, call_id)).status not in {"connecting", "in-progress"}:
            raise CallerError("This call is not in progress.", code="call_not_in_progress")
        now = self._clock.now()
        await self._store.calls.end(CallId(call_id), status="ended", end_reason="api_end_call", ended_at=now)
        self.tell(call_id, "ended")

    async def get(self, organization_id: OrganizationId, call_id: str) -> CallRow:
        return await self._store.calls.get(organization_id, call_id)

    async def list(self, organization_id: OrganizationId, query: CallsQuery) -> tuple[Sequence[CallRow], int]:
        return await self._store.calls.list(
            organization_id,
            limit=query.limit,
            offset=query.offset,
            status=query.status,
            start=query.start_date,
            end=query.end_date,
        )

    def follow(self, call_id: CallId, after_seq: int = 0) -> AsyncIterator[CallEvent]:
        if call_id not in self._journals:
            raise NotFound("There is no such call.")
        return self._journals[call_id].follow(after_seq)

    def draining(self) -> bool:
        return self.is_draining

    def tell(self, call_id: str, kind: Any, **data: Any) -> None:
        self._journals[CallId(call_id)].tell(kind, data)
