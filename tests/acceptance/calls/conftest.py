"""The service that most tests of this folder share, and what each of them must leave behind: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from tests.acceptance.calls.calls_kit import Client, client_of, nothing_left, settings

from trunkline.app import Service
from trunkline.local_pbx.instance import Pair


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(pbx_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service with the embedded engines."""
    running = Service(settings(pbx_pair.pbx, tmp_path_factory.mktemp("service")))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_client(service: Service, pbx_pair: Pair) -> AsyncIterator[Client]:
    """A client with everything it needs to call."""
    async with aiohttp.ClientSession() as session:
        yield await client_of(service, pbx_pair.carrier, session)


@pytest_asyncio.fixture(loop_scope="session")
async def client(shared_client: Client) -> AsyncIterator[Client]:
    """The client; after the test each call that it dialled must have ended once, by the contract."""
    yield shared_client
    await shared_client.assert_all_told()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_left_on_the_pbx(pbx_pair: Pair) -> AsyncIterator[None]:
    """After each test the PBX has no channel and no bridge."""
    yield
    await nothing_left(pbx_pair.pbx)
