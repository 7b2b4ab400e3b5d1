"""What `trunkline keys` does in the database of the local configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from trunkline.cli.exits import CliError
from trunkline.core.clock import SystemClock
from trunkline.core.ids import OrganizationId
from trunkline.resources.keys import KeyService
from trunkline.resources.organizations import OrganizationService
from trunkline.settings import load_settings
from trunkline.store.store import Store


async def create_key(name: str, organization: str | None) -> dict[str, Any]:
    """Makes a key; in an empty database the first organization with its key."""
    async with _store() as store:
        first = await OrganizationService(store, SystemClock()).first() if organization is None else None
        if first is not None:
            return {"organization_id": first[0].id, "api_key": first[1].reveal()}
        organization_id = await _organization(store, organization)
        row, value = await KeyService(store, SystemClock()).create(organization_id, name)
        return {"organization_id": organization_id, "id": row.id, "name": name, "api_key": value.reveal()}


async def list_keys_of(organization: str | None) -> list[dict[str, Any]]:
    """An organization's keys."""
    async with _store() as store:
        return await KeyService(store, SystemClock()).list(await _organization(store, organization))


async def revoke_key(key: str, organization: str | None) -> dict[str, Any]:
    """Ends a key, named by id or prefix."""
    async with _store() as store:
        service = KeyService(store, SystemClock())
        organization_id = await _organization(store, organization)
        return await service.revoke(organization_id, meant(key, await service.list(organization_id)))


def meant(key: str, keys: Sequence[dict[str, Any]]) -> str:
    """The id of the one key that was named, by id or by prefix.

    Raises:
        CliError: none, or several.
    """
    found = [
        one["id"] for one in keys if one["id"] == key or (one["prefix"] == key and not one["revoked_at"])
    ]
    if not found:
        raise CliError(f"There is no key {key!r}. `trunkline keys list` shows them.")
    if len(found) > 1:
        raise CliError(f"Several keys begin with {key!r}; name one by its id: {', '.join(found)}")
    return str(found[0])


async def _organization(store: Store, named: str | None) -> OrganizationId:
    if named is not None:
        return (await store.organizations.get(OrganizationId(named))).id
    rows = await store.organizations.list()
    if not rows:
        raise CliError(
            "The database has no organization yet. `trunkline keys create` makes the first one with its key."
        )
    if len(rows) > 1:
        names = ", ".join(f"{row.id} ({row.name})" for row in rows)
        raise CliError(f"There are several organizations; name one with --organization: {names}")
    return rows[0].id


@asynccontextmanager
async def _store() -> AsyncIterator[Store]:
    store = await Store.open(load_settings().database.url)
    try:
        yield store
    finally:
        await store.close()
