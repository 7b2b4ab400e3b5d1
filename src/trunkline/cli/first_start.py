"""What an empty database needs before anyone can use the service: an organization and a key to it."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.core.clock import SystemClock
from trunkline.resources.organizations import OrganizationService
from trunkline.store.store import Store


@dataclass(frozen=True, slots=True)
class FirstKey:
    """The first organization's id and its key, whose value is shown this once."""

    organization_id: str
    value: str

    def __repr__(self) -> str:
        return f"FirstKey(organization_id={self.organization_id!r})"


async def first_start(store: Store) -> FirstKey | None:
    """Makes both in an empty database; None where there is an organization already."""
    made = await OrganizationService(store, SystemClock()).first()
    if made is None:
        return None
    organization, key = made
    return FirstKey(organization.id, key.reveal())
