"""The fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from api_house import KEY, OTHER_KEY, House, add_organization, make_services

from trunkline.api.server import ApiServer, make_api
from trunkline.core.clock import SystemClock
from trunkline.settings import Settings
from trunkline.store.store import Store


@pytest.fixture
def limits() -> dict[str, int]:
    """Overridden where limits are what is tested."""
    return {
        "requests_per_minute": 10_000,
        "controls_per_minute": 10_000,
        "unauthenticated_per_minute": 10_000,
    }


@pytest.fixture
async def house(tmp_path: Path, limits: dict[str, int]) -> AsyncIterator[House]:
    settings = Settings(
        api=limits, recordings={"folder": tmp_path / "recordings"}, http={"max_body_bytes": 65536}
    )  # type: ignore[arg-type]
    clock = SystemClock()
    store = await Store.open(f"sqlite:///{tmp_path}/t.sqlite3", clock)
    await add_organization(store, "a", KEY)
    await add_organization(store, "b", OTHER_KEY)
    services = make_services(settings, store, clock)
    app = make_api(services)
    server = ApiServer(app, "127.0.0.1", 0)
    port = await server.start()
    async with aiohttp.ClientSession() as session:
        yield House(app, services, store, port, session)
    await server.stop()
    await store.close()
