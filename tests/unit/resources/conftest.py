from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trunkline.core.clock import ManualClock
from trunkline.core.ids import OrganizationId
from trunkline.store.rows import OrganizationRow
from trunkline.store.store import Store
from trunkline.store.vault import Vault


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
def vault() -> Vault:
    return Vault(bytes(32))


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3", clock)
    for name in ("a", "b"):
        await store.organizations.insert(
            OrganizationRow(OrganizationId(f"org-{name}"), name.upper(), clock.now())
        )
    yield store
    await store.close()
