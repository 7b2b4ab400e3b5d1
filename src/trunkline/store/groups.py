"""What every group of queries shares: rows in and out, and errors that name the field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy import Row, Table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from trunkline.core.clock import Clock
from trunkline.core.errors import Conflict
from trunkline.store.database import Database

R = TypeVar("R")

# SQLite: "UNIQUE constraint failed: numbers.phone_number"; PostgreSQL: 'constraint "uq_numbers_phone_number"'.
_UNIQUE: Final = re.compile(
    r"UNIQUE constraint failed: \w+\.(?P<sqlite>\w+)|constraint \"(?:uq|pk)_(?P<postgresql>\w+)\""
)
_FOREIGN: Final = re.compile(r"FOREIGN KEY constraint failed|violates foreign key constraint")


class Group:
    """The queries of one table. `noun` is what people call a row."""

    table: ClassVar[Table]
    noun: ClassVar[str]

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction whose broken rules come out as `Conflict`."""
        try:
            async with self._database.write() as connection:
                yield connection
        except IntegrityError as error:
            raise self._conflict(str(error.orig)) from None

    def _conflict(self, words: str) -> Conflict:
        unique = _UNIQUE.search(words)
        if unique:
            field = unique["sqlite"] or unique["postgresql"].removeprefix(f"{self.table.name}_")
            return Conflict(f"There is already a {self.noun} with this {field}.", code="already_exists")
        if _FOREIGN.search(words):
            return Conflict(
                f"This {self.noun} is in use, or it names something that is not there any more.",
                code="in_use",
            )
        return Conflict(f"This {self.noun} breaks a rule of the database.")


def values(row: Any) -> dict[str, Any]:
    """A row dataclass as column values, without copying what is inside."""
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def into(kind: type[R], row: Row[Any]) -> R:
    """A result as its row dataclass."""
    return kind(**row._mapping)  # noqa: SLF001  # the documented way to a result's columns by name


def checked(table: Table, changes: Mapping[str, Any], *, fixed: frozenset[str]) -> dict[str, Any]:
    """Changes that a caller may make.

    Raises:
        ValueError: a column is unknown, or is in `fixed`.
    """
    for name in changes:
        if name not in table.c or name in fixed:
            raise ValueError(f"{table.name}.{name} can't be changed")
    return dict(changes)
