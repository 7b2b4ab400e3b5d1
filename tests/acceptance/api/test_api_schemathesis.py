"""Schemathesis, with every check and every phase, against the whole service on the simulated PBX."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import structlog
from bench.free_engines import FreeEngineRoom

from trunkline.api.server import OPERATIONS
from trunkline.app import Service
from trunkline.core.clock import SystemClock
from trunkline.pbx.simulated.pbx import SimulatedPbx
from trunkline.pbx.simulated.subscriber import Answer, HangUp, Ring, Subscriber, Wait
from trunkline.resources.organizations import OrganizationService
from trunkline.settings import Settings

CONFIG = Path(__file__).with_name("schemathesis.toml")
EVERYBODY = Subscriber((Ring(), Wait(0.05), Answer(), Wait(2.0), HangUp()))
UNLIMITED = {
    "requests_per_minute": 10_000_000,
    "controls_per_minute": 10_000_000,
    "unauthenticated_per_minute": 10_000_000,
}


@pytest.fixture(autouse=True)
def only_warnings_are_logged() -> Iterator[None]:
    """Thousands of requests would drown what matters."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Everything is real but the telephones and the engines."""
    settings = Settings(
        http={"port": 0},
        database={"url": f"sqlite:///{tmp_path}/t.sqlite3"},
        recordings={"folder": tmp_path / "recordings"},
        calls={"max_concurrent": 20},
        api=UNLIMITED,
    )
    clock = SystemClock()
    pbx = SimulatedPbx({}, clock=clock, recordings=tmp_path, nobody=EVERYBODY)
    running = Service(settings, pbx=pbx, engines=FreeEngineRoom(bytes(3200)), clock=clock)
    await running.start()
    yield running
    await running.stop()


async def _key_with_a_number(service: Service) -> str:
    """The key of an organization that can call."""
    _, key = await OrganizationService(service.store, service.clock).create("Judge")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key.reveal()}"}) as session:
        trunk = {"name": "Main", "provider": "Example", "address": "carrier.example"}
        async with session.post(f"{service.base_url}/sip-trunks", json=trunk) as made:
            trunk_id = (await made.json())["trunk"]["id"]
        number = {"phone_number": "+31207654321", "outbound_trunk_id": trunk_id}
        async with session.post(f"{service.base_url}/numbers", json=number) as made:
            assert made.status == 201
    return key.reveal()


async def _contract(service: Service, folder: Path) -> Path:
    """The document as it is served, in a file: from its own address, the judge would leave that address out."""
    async with aiohttp.ClientSession() as session, session.get(f"{service.base_url}/openapi.json") as answer:
        path = folder / "openapi.json"
        path.write_bytes(await answer.read())
    return path


@pytest.mark.timeout(240)
async def test_the_contract_holds(service: Service, tmp_path: Path) -> None:
    """Whatever is sent, every answer is one that the contract documents; nothing breaks, nothing is left over.

    The seed is fixed so that a run can be repeated; `SCHEMATHESIS_SEED` looks elsewhere.
    """
    judge = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *("run", str(await _contract(service, tmp_path)), "--url", service.base_url),
        *("-H", f"Authorization: Bearer {await _key_with_a_number(service)}"),
        *("--checks", "all", "--max-examples", "20", "--continue-on-failure", "--no-color"),
        *("--seed", os.environ.get("SCHEMATHESIS_SEED", "1"), "--generation-database", "none"),
        *("--request-timeout", "10", "--suppress-health-check", "all"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await judge.communicate()
    told = out.decode()

    assert judge.returncode == 0, told[-20_000:]
    assert re.search(rf"Tested: {len(OPERATIONS)}\b", told), told[-4000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase}", told), told[-4000:]
    await _until_idle(service)


async def _until_idle(service: Service) -> None:
    """Every call that was placed ends by itself, and its line and legs with it."""
    async with asyncio.timeout(30):
        while service.calls.live_count:
            await asyncio.sleep(0.05)
    left = await service.pbx.snapshot()

    assert (list(left.legs), list(left.bridges)) == ([], [])
    assert await service.store.calls.live() == []
