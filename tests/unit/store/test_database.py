"""Opening, migrating and closing the database."""

import asyncio
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from trunkline.core.errors import Conflict, InternalError
from trunkline.core.ids import CallId, OrganizationId
from trunkline.store import schema
from trunkline.store.rows import CallRow, OrganizationRow
from trunkline.store.store import Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_the_folder_is_made_and_every_connection_is_prepared(tmp_path: Path) -> None:
    """A relative address works from a fresh checkout; WAL, time limit and foreign keys are on for reader and writer."""
    store = await Store.open(f"sqlite:///{tmp_path}/a/b/t.sqlite3")
    pragmas = {}
    for name, door in (("read", store._database.read), ("write", store._database.write)):
        async with door() as connection:
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
                pragmas[name, pragma] = (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one()
    await store.close()
    await store.close()

    for name in ("read", "write"):
        assert [
            pragmas[name, p] for p in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ] == ["wal", 1, 1, 5000]


async def test_the_migrations_make_exactly_the_schema(tmp_path: Path) -> None:
    """A column added to the schema without a migration is found here."""
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3")
    await store.close()
    engine = create_engine(f"sqlite:///{tmp_path}/t.sqlite3")
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), schema.metadata
        )
    engine.dispose()

    assert differences == []


async def test_a_second_start_keeps_what_is_there(tmp_path: Path) -> None:
    """Migrations run once."""
    url = f"sqlite:///{tmp_path}/t.sqlite3"
    store = await Store.open(url)
    await store.organizations.insert(OrganizationRow(OrganizationId("o"), "O", NOW))
    await store.close()
    store = await Store.open(url)
    kept = await store.organizations.list()
    assert await store.ping() >= 0
    await store.close()

    assert [OrganizationRow(OrganizationId("o"), "O", NOW)] == kept


async def test_two_services_that_start_at_once_both_get_their_tables(tmp_path: Path) -> None:
    """The second waits for the first and finds the work done."""
    code = "import asyncio, sys; from trunkline.store.store import Store; s = asyncio.run(Store.open(sys.argv[1]))"
    url = f"sqlite:///{tmp_path}/t.sqlite3"
    starts = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, url, stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    async with asyncio.timeout(60):
        errors = [(await process.communicate())[1] for process in starts]

    assert [process.returncode for process in starts] == [0, 0, 0], errors


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An older service must not guess what a newer one meant."""
    url = f"sqlite:///{tmp_path}/t.sqlite3"
    await (await Store.open(url)).close()
    with sqlite3.connect(tmp_path / "t.sqlite3") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()

    with pytest.raises(InternalError, match="another version"):
        await Store.open(url)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
async def test_an_address_that_can_not_work_is_told_in_words(url: str) -> None:
    """The setting is named."""
    with pytest.raises(InternalError, match=r"database\.url"):
        await Store.open(url)


async def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """While a transaction is open, reads see the state before it."""
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3")
    async with store._database.write() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO organizations (id, name, created_at) VALUES ('o', 'O', '2026-03-01 00:00:00.000000')"
        )
        async with asyncio.timeout(5):
            during = await store.organizations.count()
    after = await store.organizations.count()
    await store.close()

    assert (during, after) == (0, 1)


async def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A cancelled or failed transaction is rolled back and the writer stays usable."""
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3")
    with pytest.raises(Conflict, match="not there any more"):
        await store.calls.insert(
            CallRow(CallId("c"), OrganizationId("nobody"), "outbound", "connecting", NOW, NOW)
        )
    for error in (RuntimeError, asyncio.CancelledError):
        with pytest.raises(error):
            async with store._database.write() as connection:
                await connection.exec_driver_sql(
                    "INSERT INTO organizations (id, name, created_at) VALUES ('o', 'O', '2026-03-01 00:00:00.000000')"
                )
                raise error
    count = await store.organizations.count()
    await store.organizations.insert(OrganizationRow(OrganizationId("o"), "O", NOW))
    await store.close()

    assert count == 0


async def test_a_time_without_zone_is_refused(tmp_path: Path) -> None:
    """Nobody would know when it was."""
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3")
    with pytest.raises(Exception, match="without a zone"):
        await store.organizations.insert(OrganizationRow(OrganizationId("o"), "O", datetime(2026, 3, 1)))
    await store.close()


async def test_cancelled_work_never_blocks_the_writer(tmp_path: Path) -> None:
    """A hundred writes cancelled at different moments, and the next one goes through; what was told as done is there."""
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3")
    done = []

    async def write(index: int) -> None:
        await store.organizations.insert(OrganizationRow(OrganizationId(f"o{index}"), "O", NOW))
        done.append(f"o{index}")

    for index in range(100):
        task = asyncio.create_task(write(index))
        for _ in range(index % 25):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(10):
        await write(1000)
        kept = {row.id for row in await store.organizations.list()}
    await store.close()

    assert set(done) <= kept
