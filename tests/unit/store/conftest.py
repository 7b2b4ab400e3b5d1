from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trunkline.core.clock import ManualClock
from trunkline.core.ids import OrganizationId
from trunkline.store.rows import OrganizationRow
from trunkline.store.store import Store

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path}/deep/folder/t.sqlite3", clock)
    for name in ("a", "b"):
        await store.organizations.insert(OrganizationRow(OrganizationId(f"org-{name}"), name.upper(), START))
    yield store
    await store.close()
