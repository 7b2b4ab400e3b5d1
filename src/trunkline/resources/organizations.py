"""Organizations: the tenants everything else belongs to."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from trunkline.core.clock import Clock
from trunkline.core.ids import OrganizationId
from trunkline.core.secret import Secret
from trunkline.resources.keys import key_row, new_key
from trunkline.store.rows import OrganizationRow
from trunkline.store.store import Store


class OrganizationService:
    """What can be done with organizations."""

    def __init__(self, store: Store, clock: Clock, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def create(
        self, name: str, parent_id: OrganizationId | None = None
    ) -> tuple[OrganizationRow, Secret]:
        """A new organization and its first API key, whose value can't be had again.

        Raises:
            NotFound: there is no such parent.
        """
        if parent_id is not None:
            await self._store.organizations.get(parent_id)
        row = OrganizationRow(OrganizationId(self._new_id()), name, self._clock.now(), parent_id)
        key = new_key()
        await self._store.organizations.insert(
            row, key_row(key, row.id, "first key", self._clock, self._new_id)
        )
        return row, key

    async def first(self, name: str = "Default") -> tuple[OrganizationRow, Secret] | None:
        """In an empty database, an organization and its key; None where there is one already."""
        if await self._store.organizations.count():
            return None
        return await self.create(name)
