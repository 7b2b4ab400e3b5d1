"""Trunks of an organization: kept here, made usable on the PBX."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import uuid4

import structlog

from trunkline.core.clock import Clock, iso_utc
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import OrganizationId, TrunkId
from trunkline.pbx.port import TrunkSpec, TrunkStatus
from trunkline.resources.trunk import TrunkCreate, TrunkPatch, render_trunk, trunk_spec
from trunkline.store.rows import TrunkRow
from trunkline.store.store import Store
from trunkline.store.vault import Vault

_PUT_S: Final = (
    10.0  # a PBX that takes longer than this to learn a trunk is away; it learns it again when it is back
)
_STATUS_S: Final = 2.0
_log: Final = structlog.get_logger()


class TrunkDoor(Protocol):
    """The PBX's side of a trunk. Every method may raise `UpstreamError`."""

    async def put_trunk(self, trunk: TrunkSpec) -> None:
        """Makes the trunk usable; idempotent."""
        ...

    async def remove_trunk(self, trunk_id: TrunkId) -> None:
        """Removes it; no error when it is gone."""
        ...

    async def trunk_status(self, trunk_id: TrunkId) -> TrunkStatus:
        """Reachable, registered, and why not."""
        ...


class TrunkService:
    """What can be done with trunks. Answers are the API's JSON; every unknown id is `NotFound`.

    The store is the truth. A PBX that is away misses a change and gets all trunks again by `put_all` when it is back.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        door: TrunkDoor,
        clock: Clock,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._rows = store.trunks
        self._vault = vault
        self._door = door
        self._clock = clock
        self._new_id = new_id
        self._one_at_a_time = (
            asyncio.Lock()
        )  # so that the PBX learns changes in the order in which they were stored
        self._seen: dict[TrunkId, tuple[bool | None, bool | None, datetime]] = {}

    async def create(self, organization_id: OrganizationId, request: TrunkCreate) -> dict[str, Any]:
        """Saves a trunk and makes it usable."""
        now = self._clock.now()
        trunk_id = TrunkId(self._new_id())
        row = TrunkRow(
            trunk_id,
            organization_id,
            request.name,
            request.changes(),
            self._sealed(trunk_id, request),
            now,
            now,
        )
        async with self._one_at_a_time:
            await self._rows.insert(row)
            await self._put(row)
        return await self._rendered(row)

    async def list(self, organization_id: OrganizationId) -> list[dict[str, Any]]:
        """All of them, newest first."""
        rows = await self._rows.list(organization_id)
        return list(await asyncio.gather(*(self._rendered(row) for row in rows)))

    async def get(self, organization_id: OrganizationId, trunk_id: str) -> dict[str, Any]:
        """One of them."""
        return await self._rendered(await self._rows.get(organization_id, trunk_id))

    async def patch(
        self, organization_id: OrganizationId, trunk_id: str, request: TrunkPatch
    ) -> dict[str, Any]:
        """Changes the given fields; calls that are up go on as they are."""
        async with self._one_at_a_time:
            row = await self._rows.get(organization_id, trunk_id)
            changes: dict[str, Any] = {"config": {**row.config, **request.changes()}}
            if "name" in request.model_fields_set:
                changes["name"] = request.name
            if request.password_given:
                changes["secret"] = self._sealed(row.id, request)
            row = await self._rows.update(organization_id, trunk_id, **changes)
            await self._put(row)
        return await self._rendered(row)

    async def delete(self, organization_id: OrganizationId, trunk_id: str) -> None:
        """Removes it; calls that are up go on.

        Raises:
            Conflict: a number still uses it.
        """
        async with self._one_at_a_time:
            await self._rows.delete(organization_id, trunk_id)
            await self._reach(self._door.remove_trunk(TrunkId(trunk_id)), TrunkId(trunk_id))
        self._seen.pop(TrunkId(trunk_id), None)

    async def test(self, organization_id: OrganizationId, trunk_id: str) -> dict[str, Any]:
        """Puts the trunk on the PBX once more and answers it with its status."""
        async with self._one_at_a_time:
            row = await self._rows.get(organization_id, trunk_id)
            await self._put(row)
        return await self._rendered(row)

    async def put_all(self) -> int:
        """Makes every organization's trunks usable; returns how many. To be called whenever the PBX connected."""
        async with self._one_at_a_time:
            rows = await self._rows.everywhere()
            for row in rows:
                await self._put(row)
        return len(rows)

    def spec(self, row: TrunkRow) -> TrunkSpec:
        """The trunk as the PBX needs it, password in clear."""
        return trunk_spec(
            row, None if row.secret is None else self._vault.unseal(row.secret, f"trunk:{row.id}")
        )

    def _sealed(self, trunk_id: TrunkId, request: TrunkCreate | TrunkPatch) -> str | None:
        password = request.new_password
        return None if password is None else self._vault.seal(password, f"trunk:{trunk_id}")

    async def _put(self, row: TrunkRow) -> None:
        await self._reach(self._door.put_trunk(self.spec(row)), row.id)

    async def _reach(self, order: Awaitable[None], trunk_id: TrunkId) -> None:
        try:
            async with asyncio.timeout(_PUT_S):
                await order
        except (UpstreamError, TimeoutError) as error:
            _log.warning(
                "the PBX did not learn of a trunk; it is told again when it connects",
                trunk_id=trunk_id,
                error=str(error),
            )

    async def _rendered(self, row: TrunkRow) -> dict[str, Any]:
        status = await self._status(row.id)
        seen = self._seen.get(row.id)
        if seen is None or seen[:2] != (status.reachable, status.registered):
            seen = self._seen[row.id] = (status.reachable, status.registered, self._clock.now())
        return render_trunk(
            row,
            {
                "reachable": status.reachable,
                "registered": status.registered,
                "rtt_ms": status.rtt_ms,
                "since": iso_utc(seen[2]),
                "reason": status.reason,
            },
        )

    async def _status(self, trunk_id: TrunkId) -> TrunkStatus:
        try:
            async with asyncio.timeout(_STATUS_S):
                return await self._door.trunk_status(trunk_id)
        except TimeoutError:
            return TrunkStatus(None, reason="The PBX did not answer in time.")
        except UpstreamError as error:
            return TrunkStatus(None, reason=error.message)
