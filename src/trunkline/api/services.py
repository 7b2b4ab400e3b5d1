"""What the API needs of the rest of the house, handed in by the composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkline.calls.requests import CallsQuery, ControlCommand, OutboundRequest
from trunkline.core.clock import Clock
from trunkline.core.events import CallEvent
from trunkline.core.ids import CallId, OrganizationId
from trunkline.observe.metrics import Metrics
from trunkline.pbx.port import PbxHealth
from trunkline.resources.assistants import AssistantService
from trunkline.resources.numbers import NumberService
from trunkline.resources.trunks import TrunkService
from trunkline.settings import Settings
from trunkline.store.rows import ApiKeyRow, CallRow, IdempotencyRow


class Placed(Protocol):
    """A call that was stored and handed to the PBX."""

    @property
    def call_id(self) -> CallId:
        """Its id."""
        ...

    @property
    def room_name(self) -> str:
        """Its room."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What was accepted but has no effect."""
        ...


class Calls(Protocol):
    """The calls of all organizations. Every method raises `NotFound` for another organization's call."""

    async def place(
        self,
        organization_id: OrganizationId,
        request: OutboundRequest,
        idempotency: IdempotencyRow | None = None,
    ) -> Placed:
        """Stores the call, hands it to the PBX and returns before it is answered."""
        ...

    async def control(
        self, organization_id: OrganizationId, call_id: str, command: ControlCommand
    ) -> Sequence[str]:
        """Hands a command to a call in progress; the warnings that go with it."""
        ...

    async def cancel(self, organization_id: OrganizationId, call_id: str) -> None:
        """Ends a call, whether it rings or talks."""
        ...

    async def get(self, organization_id: OrganizationId, call_id: str) -> CallRow:
        """One call, with what a live one has said so far."""
        ...

    async def list(self, organization_id: OrganizationId, query: CallsQuery) -> tuple[Sequence[CallRow], int]:
        """A page of calls, newest first, and how many there are in all."""
        ...

    def follow(self, call_id: CallId, after_seq: int = 0) -> AsyncIterator[CallEvent]:
        """What the call told after `after_seq` and then what it tells, up to `ended`.

        Raises:
            NotFound: nothing is kept of its events.
        """
        ...

    def draining(self) -> bool:
        """Whether new calls are refused because the service is stopping."""
        ...


class KeyStore(Protocol):
    """Where keys are kept."""

    async def find_by_sha256(self, sha256: str) -> ApiKeyRow | None:
        """The key with this hash, revoked or not."""
        ...

    async def touch(self, key_id: str) -> None:
        """Notes that the key was used now."""
        ...


class IdempotencyStore(Protocol):
    """Where first answers are kept."""

    async def claim(self, row: IdempotencyRow) -> IdempotencyRow | None:
        """Takes the key for this request; where another took it before, that one's row."""
        ...

    async def finish(self, row: IdempotencyRow, *, status: int, body: str) -> None:
        """Keeps the first answer."""
        ...

    async def release(self, row: IdempotencyRow) -> None:
        """Forgets a claim whose request changed nothing."""
        ...


class Database(Protocol):
    """Whether the records can be reached."""

    async def ping(self) -> float:
        """Milliseconds of a round trip."""
        ...


class PbxStatus(Protocol):
    """Whether the PBX can be reached."""

    async def health(self) -> PbxHealth:
        """A live look, within 2 s."""
        ...


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Everything behind the API."""

    settings: Settings
    clock: Clock
    calls: Calls
    keys: KeyStore
    idempotency: IdempotencyStore
    database: Database
    pbx: PbxStatus
    metrics: Metrics
    assistants: AssistantService
    numbers: NumberService
    trunks: TrunkService
