"""Calls: stored before they are dialled, ended exactly once, listed newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import ColumnElement, Table, func, insert, select, update

from trunkline.core.errors import Conflict, NotFound
from trunkline.core.ids import CallId, OrganizationId
from trunkline.store import schema
from trunkline.store.groups import Group, checked, into, values
from trunkline.store.idempotency import keep_answer
from trunkline.store.rows import CallRow, CallStatus, IdempotencyRow

_FIXED: Final = frozenset({"id", "organization_id", "direction", "created_at"})
_PART: Final = 25  # rows decoded at a stretch: a thousand at once would keep audio waiting for 60 ms
_LIVE: Final = schema.calls.c.status.in_(schema.LIVE)


class Calls(Group):
    """The queries of calls."""

    table: ClassVar[Table] = schema.calls
    noun: ClassVar[str] = "call"

    async def insert(self, row: CallRow, idempotency: IdempotencyRow | None = None) -> None:
        """Stores a new call and, in the same transaction, the answer its request got.

        Raises:
            Conflict: the id is taken, or the idempotency key already holds another answer.
        """
        async with self._write() as connection:
            await connection.execute(insert(self.table).values(values(row)))
            if idempotency is not None:
                await keep_answer(connection, idempotency)

    async def update(self, call_id: CallId, **changes: Any) -> CallRow:
        """Changes a call and returns it as it is now. `updated_at` follows by itself.

        An ended call may still get a summary or a recording, but no other status; endings go through `end`.

        Raises:
            NotFound: there is no such call.
            Conflict: the call has ended and `changes` names a status.
        """
        if changes.get("status", "connecting") not in schema.LIVE:
            raise ValueError("a call is ended by `end`")
        wanted = [self.table.c.id == call_id]
        if "status" in changes:
            wanted.append(_LIVE)
        row = await self._change(wanted, changes)
        if row is not None:
            return row
        if await self.find(call_id) is None:
            raise NotFound("There is no such call.")
        raise Conflict("This call has ended.")

    async def end(self, call_id: CallId, *, status: CallStatus, **changes: Any) -> bool:
        """Ends a call once: true for the one caller whose ending was kept, false for all later ones.

        Raises:
            ValueError: `status` is not one of an ended call.
        """
        if status in schema.LIVE:
            raise ValueError(f"{status} is no ending")
        return (
            await self._change([self.table.c.id == call_id, _LIVE], {"status": status, **changes}) is not None
        )

    async def _change(self, wanted: list[ColumnElement[bool]], changes: dict[str, Any]) -> CallRow | None:
        new = {"updated_at": self._clock.now(), **checked(self.table, changes, fixed=_FIXED)}
        async with self._write() as connection:
            result = await connection.execute(
                update(self.table).where(*wanted).values(new).returning(self.table)
            )
            row = result.one_or_none()
        return None if row is None else into(CallRow, row)

    async def get(self, organization_id: OrganizationId, call_id: str) -> CallRow:
        """A call of this organization.

        Raises:
            NotFound: there is none, or it belongs to another organization.
        """
        row = await self.find(CallId(call_id))
        if row is None or row.organization_id != organization_id:
            raise NotFound("There is no such call.")
        return row

    async def find(self, call_id: CallId) -> CallRow | None:
        """A call of any organization, for our own use."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(self.table).where(self.table.c.id == call_id))
            ).one_or_none()
        return None if row is None else into(CallRow, row)

    async def live(self, node: str | None = None) -> list[CallRow]:
        """Calls that have not ended, of one PBX node or of all; those without a node yet belong to every node."""
        wanted: list[ColumnElement[bool]] = [_LIVE]
        if node is not None:
            wanted.append((self.table.c.node == node) | self.table.c.node.is_(None))
        async with self._database.read() as connection:
            rows = (
                await connection.execute(select(self.table).where(*wanted).order_by(self.table.c.created_at))
            ).all()
        return [into(CallRow, row) for row in rows]

    async def list(
        self,
        organization_id: OrganizationId,
        *,
        limit: int = 100,
        offset: int = 0,
        status: CallStatus | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> tuple[list[CallRow], int]:
        """Calls, newest first, and how many there are in all. `start` and `end` are inclusive."""
        c = self.table.c
        wanted = [c.organization_id == organization_id]
        if status is not None:
            wanted.append(c.status == status)
        if start is not None:
            wanted.append(c.created_at >= start)
        if end is not None:
            wanted.append(c.created_at <= end)
        page = (
            select(self.table)
            .where(*wanted)
            .order_by(c.created_at.desc(), c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        async with self._database.read() as connection:
            total = (
                await connection.execute(select(func.count()).select_from(self.table).where(*wanted))
            ).scalar_one()
            parts = (await connection.stream(page.execution_options(yield_per=_PART))).partitions()
            rows = [into(CallRow, row) async for part in parts for row in part]
        return rows, total
