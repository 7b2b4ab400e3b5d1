"""API keys: made of randomness, shown once, kept as their SHA-256.

A key has 190 random bits, so a plain hash is enough: there is nothing to guess. It is looked up by that hash, never compared.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from trunkline.core.clock import Clock, iso_utc
from trunkline.core.ids import Choose, OrganizationId
from trunkline.core.secret import Secret
from trunkline.store.rows import ApiKeyRow
from trunkline.store.store import Store

PREFIX: Final = "tl_"
_ALPHABET: Final = string.ascii_letters + string.digits
_LENGTH: Final = 32
_SHOWN: Final = len(PREFIX) + 6


def new_key(choose: Choose = secrets.choice) -> Secret:
    """`tl_` and 32 letters or digits."""
    return Secret(PREFIX + "".join(choose(_ALPHABET) for _ in range(_LENGTH)))


def sha256_of(key: str) -> str:
    """What is kept of a key. Any text has one, so a malformed key is simply unknown."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def key_row(
    key: Secret, organization_id: OrganizationId, name: str, clock: Clock, new_id: Callable[[], str]
) -> ApiKeyRow:
    """The row of a new key."""
    value = key.reveal()
    return ApiKeyRow(new_id(), organization_id, name, value[:_SHOWN], sha256_of(value), clock.now())


class KeyService:
    """What can be done with an organization's keys."""

    def __init__(self, store: Store, clock: Clock, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._keys = store.api_keys
        self._clock = clock
        self._new_id = new_id

    async def create(self, organization_id: OrganizationId, name: str) -> tuple[ApiKeyRow, Secret]:
        """A new key and its value, which can't be had again."""
        key = new_key()
        row = key_row(key, organization_id, name, self._clock, self._new_id)
        await self._keys.insert(row)
        return row, key

    async def list(self, organization_id: OrganizationId) -> list[dict[str, Any]]:
        """All of them, oldest first, the revoked ones too; never a value."""
        return [render_key(row) for row in await self._keys.list(organization_id)]

    async def revoke(self, organization_id: OrganizationId, key_id: str) -> dict[str, Any]:
        """Ends a key."""
        return render_key(await self._keys.revoke(organization_id, key_id))


def render_key(row: ApiKeyRow) -> dict[str, Any]:
    """The key as lists show it."""
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "created_at": iso_utc(row.created_at),
        "last_used_at": iso_utc(row.last_used_at) if row.last_used_at else None,
        "revoked_at": iso_utc(row.revoked_at) if row.revoked_at else None,
    }
