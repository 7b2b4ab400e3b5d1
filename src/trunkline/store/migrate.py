"""Brings a database to the tables of this version, under a lock, in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from trunkline.core.errors import InternalError

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 7_263_001  # any number, as long as every Trunkline takes the same one


async def upgrade(engine: AsyncEngine) -> None:
    """Runs the migrations that are missing.

    Raises:
        InternalError: the database was made by a newer version.
    """
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    # On SQLite BEGIN IMMEDIATE is the lock already.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    try:
        command.upgrade(migration_config(connection), "head")
    except CommandError as error:
        raise InternalError(f"The database was made by another version of Trunkline: {error}") from None
    if (
        connection.dialect.name == "sqlite"
        and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None
    ):
        raise InternalError(
            "After the migration some rows point at rows that are not there; nothing was changed."
        )
