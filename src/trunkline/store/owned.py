"""What an organization makes and changes: assistants, trunks, numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Generic, TypeVar

from sqlalchemy import Table, delete, insert, select, update

from trunkline.core.errors import NotFound
from trunkline.core.ids import OrganizationId
from trunkline.store import schema
from trunkline.store.groups import Group, checked, into, values
from trunkline.store.rows import AssistantRow, NumberRow, TrunkRow

R = TypeVar("R", AssistantRow, NumberRow, TrunkRow)
_FIXED: Final = frozenset({"id", "organization_id", "created_at"})


class Owned(Group, Generic[R]):
    """A table whose rows belong to an organization; others don't see them."""

    row: ClassVar[type[Any]]

    async def insert(self, row: R) -> None:
        """Stores a new row.

        Raises:
            Conflict: names the field whose value is taken.
        """
        async with self._write() as connection:
            await connection.execute(insert(self.table).values(values(row)))

    async def list(self, organization_id: OrganizationId) -> list[R]:
        """All rows of an organization, newest first."""
        c = self.table.c
        query = (
            select(self.table).where(c.organization_id == organization_id).order_by(c.created_at.desc(), c.id)
        )
        async with self._database.read() as connection:
            return [into(self.row, row) for row in (await connection.execute(query)).all()]

    async def get(self, organization_id: OrganizationId, row_id: str) -> R:
        """One row.

        Raises:
            NotFound: the organization has none with this id.
        """
        c = self.table.c
        query = select(self.table).where(c.organization_id == organization_id, c.id == row_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise self._unknown()
        found: R = into(self.row, row)
        return found

    async def update(self, organization_id: OrganizationId, row_id: str, **changes: Any) -> R:
        """Changes a row and returns it as it is now. `updated_at` follows by itself.

        Raises:
            NotFound: the organization has none with this id.
            Conflict: names the field whose value is taken.
        """
        c = self.table.c
        new = {"updated_at": self._clock.now(), **checked(self.table, changes, fixed=_FIXED)}
        query = (
            update(self.table)
            .where(c.organization_id == organization_id, c.id == row_id)
            .values(new)
            .returning(self.table)
        )
        async with self._write() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise self._unknown()
        changed: R = into(self.row, row)
        return changed

    async def delete(self, organization_id: OrganizationId, row_id: str) -> None:
        """Removes a row.

        Raises:
            NotFound: the organization has none with this id.
            Conflict: something else still uses it.
        """
        c = self.table.c
        async with self._write() as connection:
            result = await connection.execute(
                delete(self.table).where(c.organization_id == organization_id, c.id == row_id)
            )
        if result.rowcount == 0:
            raise self._unknown()

    def _unknown(self) -> NotFound:
        return NotFound(f"There is no such {self.noun}.")


class Assistants(Owned[AssistantRow]):
    """The queries of assistants."""

    table: ClassVar[Table] = schema.assistants
    noun: ClassVar[str] = "assistant"
    row: ClassVar[type[Any]] = AssistantRow


class Trunks(Owned[TrunkRow]):
    """The queries of trunks."""

    table: ClassVar[Table] = schema.trunks
    noun: ClassVar[str] = "trunk"
    row: ClassVar[type[Any]] = TrunkRow

    async def everywhere(self) -> list[TrunkRow]:
        """The trunks of all organizations: what the PBX must know."""
        async with self._database.read() as connection:
            return [
                into(TrunkRow, row)
                for row in (
                    await connection.execute(select(self.table).order_by(self.table.c.created_at))
                ).all()
            ]


class Numbers(Owned[NumberRow]):
    """The queries of numbers."""

    table: ClassVar[Table] = schema.numbers
    noun: ClassVar[str] = "number"
    row: ClassVar[type[Any]] = NumberRow

    async def take(self, organization_id: OrganizationId) -> NumberRow | None:
        """The number that has not called for longest, among those that can; None when there is none.

        One statement, so two calls at once get two numbers.
        """
        c = self.table.c
        rested = (
            select(c.id)
            .where(
                c.organization_id == organization_id,
                c.is_active,
                c.outbound_trunk_id.is_not(None) | c.transfer_trunk_id.is_not(None),
            )
            .order_by(c.last_used_at.asc().nulls_first(), c.created_at, c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        query = (
            update(self.table)
            .where(c.id == rested)
            .values(last_used_at=self._clock.now())
            .returning(self.table)
        )
        async with self._write() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else into(NumberRow, row)

    async def touch(self, number_id: str) -> None:
        """Notes that the number calls now."""
        async with self._write() as connection:
            await connection.execute(
                update(self.table).where(self.table.c.id == number_id).values(last_used_at=self._clock.now())
            )

    async def by_phone_number(self, phone_number: str) -> NumberRow | None:
        """Whose number an inbound call reached."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(self.table).where(self.table.c.phone_number == phone_number))
            ).one_or_none()
        return None if row is None else into(NumberRow, row)
