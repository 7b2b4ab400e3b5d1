"""The store: one database, a group of queries for each table."""

from __future__ import annotations

import time
from typing import Self

from trunkline.core.clock import Clock, SystemClock
from trunkline.store.calls import Calls
from trunkline.store.database import Database, answers
from trunkline.store.idempotency import Idempotency
from trunkline.store.organizations import ApiKeys, Organizations
from trunkline.store.owned import Assistants, Numbers, Trunks


class Store:
    """Everything that lasts.

    Attributes:
        calls, organizations, api_keys, assistants, trunks, numbers, idempotency: the queries of each table.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.calls = Calls(database, clock)
        self.organizations = Organizations(database, clock)
        self.api_keys = ApiKeys(database, clock)
        self.assistants = Assistants(database, clock)
        self.trunks = Trunks(database, clock)
        self.numbers = Numbers(database, clock)
        self.idempotency = Idempotency(database, clock)

    @classmethod
    async def open(cls, url: str, clock: Clock | None = None) -> Self:
        """Opens the database at this SQLAlchemy URL, makes it if needed, and brings its tables up to date.

        Raises:
            InternalError: it can't be used; the message says why.
        """
        return cls(await Database.open(url), clock or SystemClock())

    async def close(self) -> None:
        """Closes every connection. Idempotent."""
        await self._database.close()

    async def ping(self) -> float:
        """How long the database takes to answer, in milliseconds."""
        started = time.perf_counter()
        await answers(self._database)
        return (time.perf_counter() - started) * 1000
