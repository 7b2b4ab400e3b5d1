"""Organizations and their API keys."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Table, func, insert, select, update

from trunkline.core.errors import NotFound
from trunkline.core.ids import OrganizationId
from trunkline.store import schema
from trunkline.store.groups import Group, into, values
from trunkline.store.rows import ApiKeyRow, OrganizationRow


class Organizations(Group):
    """The queries of organizations."""

    table: ClassVar[Table] = schema.organizations
    noun: ClassVar[str] = "organization"

    async def insert(self, row: OrganizationRow, key: ApiKeyRow | None = None) -> None:
        """Stores a new organization and its first key, together."""
        async with self._write() as connection:
            await connection.execute(insert(self.table).values(values(row)))
            if key is not None:
                await connection.execute(insert(schema.api_keys).values(values(key)))

    async def get(self, organization_id: OrganizationId) -> OrganizationRow:
        """An organization.

        Raises:
            NotFound: there is none with this id.
        """
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(self.table).where(self.table.c.id == organization_id))
            ).one_or_none()
        if row is None:
            raise NotFound("There is no such organization.")
        return into(OrganizationRow, row)

    async def list(self) -> list[OrganizationRow]:
        """All of them, oldest first."""
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(self.table).order_by(self.table.c.created_at, self.table.c.id)
                )
            ).all()
        return [into(OrganizationRow, row) for row in rows]

    async def count(self) -> int:
        """How many there are; 0 in a new database."""
        async with self._database.read() as connection:
            return (await connection.execute(select(func.count()).select_from(self.table))).scalar_one()


class ApiKeys(Group):
    """The queries of API keys."""

    table: ClassVar[Table] = schema.api_keys
    noun: ClassVar[str] = "API key"

    async def insert(self, row: ApiKeyRow) -> None:
        """Stores a new key."""
        async with self._write() as connection:
            await connection.execute(insert(self.table).values(values(row)))

    async def find_by_sha256(self, sha256: str) -> ApiKeyRow | None:
        """The key with this hash, revoked or not."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(self.table).where(self.table.c.sha256 == sha256))
            ).one_or_none()
        return None if row is None else into(ApiKeyRow, row)

    async def list(self, organization_id: OrganizationId) -> list[ApiKeyRow]:
        """An organization's keys, oldest first, the revoked ones too."""
        c = self.table.c
        query = select(self.table).where(c.organization_id == organization_id).order_by(c.created_at, c.id)
        async with self._database.read() as connection:
            return [into(ApiKeyRow, row) for row in (await connection.execute(query)).all()]

    async def touch(self, key_id: str) -> None:
        """Notes that the key was used now."""
        async with self._write() as connection:
            await connection.execute(
                update(self.table).where(self.table.c.id == key_id).values(last_used_at=self._clock.now())
            )

    async def revoke(self, organization_id: OrganizationId, key_id: str) -> ApiKeyRow:
        """Ends a key. Revoking it again changes nothing.

        Raises:
            NotFound: the organization has no such key.
        """
        c = self.table.c
        when = func.coalesce(c.revoked_at, self._clock.now(), type_=schema.Utc)
        query = (
            update(self.table)
            .where(c.organization_id == organization_id, c.id == key_id)
            .values(revoked_at=when)
        )
        async with self._write() as connection:
            row = (await connection.execute(query.returning(self.table))).one_or_none()
        if row is None:
            raise NotFound("There is no such API key.")
        return into(ApiKeyRow, row)
