"""A whole service on the real PBX, and a client of its REST API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.conftest import leftovers
from trunkline.app import Service
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import settings_for
from trunkline.local_pbx.subscribers import subscriber
from trunkline.resources.organizations import OrganizationService
from trunkline.settings import Settings

ASSISTANT = {
    "name": "Desk",
    "first_message": "Harbour Dental, good morning. How can I help you?",
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {"provider": "flow", "model": "receptionist"},
    "tts_config": {"provider": "hibari", "voice_id": "heart"},
}


def settings(pair: Pair, folder: Path, **pbx: Any) -> Settings:
    """A service of this test run alone: its own database and recordings, a free port, wide rate limits."""
    return Settings(
        http={"port": 0},
        database={"url": f"sqlite:///{folder}/trunkline.sqlite3"},
        pbx={**settings_for(pair.pbx), **pbx},
        calls={"orphan_after_s": 5},
        recordings={"folder": folder / "recordings"},
        api={"requests_per_minute": 100_000, "controls_per_minute": 1000},
    )


@dataclass
class Client:
    """The REST API as a client sees it."""

    service: Service
    pair: Pair
    session: aiohttp.ClientSession
    assistant_id: str = ""
    trunk_id: str = ""
    number_ids: list[str] = field(default_factory=list)

    async def post(self, path: str, body: dict[str, Any], expect: int = 200) -> dict[str, Any]:
        """A POST whose answer must have this status."""
        async with self.session.post(self.service.base_url + path, json=body) as answer:
            told = await answer.json()
            assert answer.status == expect, told
            return told

    async def get(self, path: str) -> dict[str, Any]:
        """A GET that must succeed."""
        async with self.session.get(self.service.base_url + path) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            return told

    async def dial(self, who: str, **fields: Any) -> str:
        """Calls a subscriber of the carrier from our first number."""
        placed = await self.post(
            "/calls/outbound",
            {"destination": subscriber(who).number, "number_id": self.number_ids[0], "assistant_id": self.assistant_id, **fields},
        )
        assert placed["success"] is True and placed["status"] == "dialing"
        return placed["call_id"]

    async def control(self, call_id: str, expect: int = 200, **command: Any) -> dict[str, Any]:
        """One control command."""
        return await self.post(f"/calls/{call_id}/control", command, expect)

    async def call(self, call_id: str) -> dict[str, Any]:
        """The Call as it is now."""
        return await self.get(f"/calls/{call_id}")

    async def until(self, call_id: str, *statuses: str, within_s: float = 60.0) -> dict[str, Any]:
        """The Call once it has one of these statuses."""
        deadline = time.monotonic() + within_s
        while True:
            call = await self.call(call_id)
            if call["status"] in statuses:
                return call
            assert time.monotonic() < deadline, f"{call['status']} after {within_s} s: {call}"
            await asyncio.sleep(0.05)

    async def ended(self, call_id: str, within_s: float = 60.0) -> dict[str, Any]:
        """The Call once it is over."""
        return await self.until(call_id, "ended", "failed", within_s=within_s)

    async def news(self, call_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Everything that the call told, to its end."""
        return [(event.type, event.data) async for event in self.service.calls.follow(call_id)]

    async def wait_for_news(self, call_id: str, wanted: str, within_s: float = 30.0, count: int = 1) -> dict[str, Any]:
        """The data of the `count`th event of a type."""
        async with asyncio.timeout(within_s):
            async for event in self.service.calls.follow(call_id):
                if event.type == wanted:
                    count -= 1
                    if count == 0:
                        return event.data
        raise AssertionError(f"the call ended without {wanted}")


async def client_of(service: Service, pair: Pair, session: aiohttp.ClientSession) -> Client:
    """A new organization with an assistant, a trunk to the carrier and two numbers, all made through the API."""
    _, key = await OrganizationService(service.store, service.clock).create("Acceptance")
    session.headers["Authorization"] = f"Bearer {key.reveal()}"
    client = Client(service, pair, session)
    client.assistant_id = (await client.post("/assistants", ASSISTANT, 201))["assistant"]["id"]
    address = f"{pair.carrier.host}:{pair.carrier.sip_port}"
    trunk = await client.post("/sip-trunks", {"name": "Carrier", "provider": "carrier", "address": address}, 201)
    client.trunk_id = trunk["trunk"]["id"]
    taken = time.time_ns() // 1000 % 10_000_000
    for last in range(2):
        body = {"phone_number": f"+3110{taken + last:07d}", "outbound_trunk_id": client.trunk_id}
        client.number_ids.append((await client.post("/numbers", body, 201))["number"]["id"])
    return client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(pbx_pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for all tests of this folder."""
    running = Service(settings(pbx_pair, tmp_path_factory.mktemp("service")))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(service: Service, pbx_pair: Pair) -> AsyncIterator[Client]:
    """A client with everything it needs to call."""
    async with aiohttp.ClientSession() as session:
        yield await client_of(service, pbx_pair, session)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_left_on_the_pbx(pbx_pair: Pair) -> AsyncIterator[None]:
    """After each test the PBX has no channel and no bridge."""
    yield
    deadline = time.monotonic() + 5
    while (left := await asyncio.to_thread(leftovers, pbx_pair.pbx)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert left == []
