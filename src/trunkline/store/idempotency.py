"""First answers of requests that carry an `Idempotency-Key`."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from sqlalchemy import ColumnElement, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from trunkline.core.errors import Conflict
from trunkline.store import schema
from trunkline.store.groups import Group, into, values
from trunkline.store.rows import IdempotencyRow

_TABLE: Final = schema.idempotency_keys


def _key_of(row: IdempotencyRow) -> list[ColumnElement[bool]]:
    c = _TABLE.c
    return [c.organization_id == row.organization_id, c.endpoint == row.endpoint, c.key == row.key]


async def keep_answer(connection: AsyncConnection, row: IdempotencyRow) -> None:
    """Keeps `row` in a transaction of the caller's, whether or not it was claimed before.

    Raises:
        Conflict: the key holds the answer to another body.
    """
    held = (await connection.execute(select(_TABLE).where(*_key_of(row)))).one_or_none()
    if held is None:
        await connection.execute(insert(_TABLE).values(values(row)))
        return
    if held.body_sha256 != row.body_sha256:
        raise Conflict("This Idempotency-Key was used with another body.")
    await connection.execute(update(_TABLE).where(*_key_of(row)).values(status=row.status, body=row.body))


class Idempotency(Group):
    """The queries of idempotency keys."""

    table: ClassVar[Table] = _TABLE
    noun: ClassVar[str] = "idempotency key"

    async def claim(self, row: IdempotencyRow) -> IdempotencyRow | None:
        """Takes the key for this request and returns None; where another took it before, that one's row."""
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(_TABLE).values(values(row)))
        except IntegrityError:
            held = await self.find(row)
            if held is None:
                raise
            return held
        return None

    async def find(self, row: IdempotencyRow) -> IdempotencyRow | None:
        """What is kept under the same key."""
        async with self._database.read() as connection:
            held = (await connection.execute(select(_TABLE).where(*_key_of(row)))).one_or_none()
        return None if held is None else into(IdempotencyRow, held)

    async def finish(self, row: IdempotencyRow, *, status: int, body: str) -> None:
        """Keeps the first answer for the repeats."""
        async with self._write() as connection:
            await connection.execute(update(_TABLE).where(*_key_of(row)).values(status=status, body=body))

    async def reopen(self, row: IdempotencyRow) -> None:
        """Takes a kept answer back: what it promised did certainly not happen, so the same key may try again."""
        async with self._write() as connection:
            await connection.execute(update(_TABLE).where(*_key_of(row)).values(status=None, body=None))

    async def release(self, row: IdempotencyRow) -> None:
        """Forgets a claim whose request changed nothing. A kept answer stays."""
        async with self._write() as connection:
            await connection.execute(delete(_TABLE).where(*_key_of(row), _TABLE.c.status.is_(None)))

    async def purge(self, before: datetime) -> int:
        """Forgets keys that were first used before this moment; returns how many."""
        async with self._write() as connection:
            return (await connection.execute(delete(_TABLE).where(_TABLE.c.created_at < before))).rowcount

    async def release_abandoned(self) -> int:
        """Forgets claims without an answer: at start-up, what a process that died left behind; returns how many."""
        async with self._write() as connection:
            return (await connection.execute(delete(_TABLE).where(_TABLE.c.status.is_(None)))).rowcount
