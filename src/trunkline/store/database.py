"""The way to the database: connections, transactions, time limits. Knows no table.

SQLite has one writer at a time. Writes share one connection here, so they queue in memory instead of colliding on disk; reads
have connections of their own and, thanks to the write-ahead log, never wait for a writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from trunkline.core.errors import InternalError
from trunkline.store.migrate import upgrade

_BUSY_S: Final = 5.0  # how long another process may hold the write lock
_POOL_S: Final = 10.0  # how long a transaction waits for a free connection
_READERS: Final = 4
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


class Database:
    """Two doors: `read` and `write`, each one transaction."""

    def __init__(self, reader: AsyncEngine, writer: AsyncEngine) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> Database:
        """Connects, and brings the tables up to date; two services that start at once take turns.

        Raises:
            InternalError: the address can't be used, or the tables belong to a newer version.
        """
        address = _address(url)
        if address.get_backend_name() != "sqlite":
            engine = create_async_engine(address, pool_timeout=_POOL_S, pool_pre_ping=True)
            await upgrade(engine)
            return cls(engine, engine)
        await asyncio.to_thread(_make_folder, address)
        await _upgrade_sqlite(address)
        return cls(_sqlite(address, "DEFERRED", _READERS), _sqlite(address, "IMMEDIATE", 1))

    async def close(self) -> None:
        """Closes every connection. Idempotent."""
        await self._reader.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """All or nothing; committed when the block ends without an error."""
        async with self._writer.begin() as connection:
            yield connection


def _address(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InternalError(f"database.url {error}") from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise InternalError("database.url must start with sqlite:/// or postgresql://.")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InternalError("database.url must name a file, such as sqlite:///var/trunkline.sqlite3.")
    return parsed.set(drivername=driver)


def _make_folder(address: URL) -> None:
    assert address.database is not None
    Path(address.database).parent.mkdir(parents=True, exist_ok=True)


async def _upgrade_sqlite(address: URL) -> None:
    # Rebuilding a table drops the old one, which foreign keys would turn into deletions; they are checked afterwards instead.
    engine = _sqlite(address, "IMMEDIATE", 0, foreign_keys=False)
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()


def _sqlite(address: URL, begin: str, connections: int, *, foreign_keys: bool = True) -> AsyncEngine:
    pool: dict[str, Any] = (
        {"pool_size": connections, "max_overflow": 0, "pool_timeout": _POOL_S}
        if connections
        else {"poolclass": NullPool}
    )
    engine = create_async_engine(address, connect_args={"timeout": _BUSY_S}, **pool)

    def prepare(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # the driver's own BEGIN comes too late for a consistent read
        cursor = dbapi_connection.cursor()
        for pragma in (
            f"busy_timeout={int(_BUSY_S * 1000)}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", start)
    return engine


async def answers(database: Database) -> None:
    """Returns once the database answered a query."""
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
