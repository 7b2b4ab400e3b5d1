"""A whole service on the real PBX, a client of its REST API, and what must be true of every call that ended."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from tests.pbx_tools import ari, leftovers

from trunkline.app import Service
from trunkline.calls.outbound import EngineRoom
from trunkline.local_pbx.instance import Pair
from trunkline.local_pbx.state import InstanceState, settings_for
from trunkline.local_pbx.subscribers import subscriber
from trunkline.resources.organizations import OrganizationService
from trunkline.settings import Settings

TALK = {
    "name": "short_answers",
    "start": "talk",
    "intents": {
        "appointment": {"keywords": ["appointment"]},
        "name": {"keywords": ["my name", "miller"]},
        "day": {"keywords": ["thursday", "afternoon"]},
    },
    "states": {
        "talk": {
            "answers": [
                {"intent": "goodbye", "say": "Goodbye."},
                {"intent": "appointment", "say": "What is your name?"},
                {"intent": "name", "say": "When would you like to come?"},
                {"intent": "day", "say": "You are booked."},
            ]
        }
    },
    "fallback": {"say": "Go on, please."},
}
"""Short answers: what is shown of a talk's end does not need a long talk."""

ASSISTANT = {
    "name": "Desk",
    "first_message": "Good morning, how can I help?",
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {"provider": "flow", "model": "short_answers", "flow": TALK},
    "tts_config": {"provider": "hibari", "voice_id": "heart"},
}
_AWAY_S = 0.5
_apps = itertools.count(1)


def settings(
    pbx: InstanceState, folder: Path, *, calls: dict[str, Any] | None = None, **changes: Any
) -> Settings:
    """A service of this test run alone: its own application, database and recordings, a free port, wide rate limits."""
    # A sweep of one service must not take the legs of another on the same PBX for its own orphans.
    kept = {"orphan_after_s": 120, "shutdown_grace_s": 0.5, **(calls or {})}
    return Settings(
        http={"port": 0},
        database={"url": f"sqlite:///{folder}/trunkline.sqlite3"},
        pbx={**settings_for(pbx), "ari_app": f"calls-{next(_apps)}", **changes},
        calls=kept,
        recordings={"folder": folder / "recordings"},
        api={"requests_per_minute": 100_000, "controls_per_minute": 1000},
    )


@dataclass
class Client:
    """The REST API as a client sees it. Remembers what it dialled, so that every ending can be looked at."""

    service: Service
    carrier: InstanceState
    session: aiohttp.ClientSession
    assistant_id: str = ""
    trunk_id: str = ""
    number_ids: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)

    async def request(self, method: str, path: str, **how: Any) -> tuple[int, dict[str, Any]]:
        """Status and body, whatever they are."""
        async with self.session.request(method, self.service.base_url + path, **how) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: dict[str, Any], expect: int = 200, **how: Any) -> dict[str, Any]:
        """A POST whose answer must have this status."""
        status, told = await self.request("POST", path, json=body, **how)
        assert status == expect, told
        return told

    def order(self, who: str, **fields: Any) -> dict[str, Any]:
        """The body that calls a subscriber of the carrier from our first number."""
        destination = subscriber(who).number
        return {
            "destination": destination,
            "number_id": self.number_ids[0],
            "assistant_id": self.assistant_id,
            **fields,
        }

    async def dial(self, who: str, **fields: Any) -> str:
        """Calls a subscriber; the PBX takes the call."""
        placed = await self.post("/calls/outbound", self.order(who, **fields))
        assert placed["success"] is True and placed["status"] == "dialing"
        self.dialled.append(placed["call_id"])
        return placed["call_id"]

    async def dial_in_vain(self, who: str, **fields: Any) -> dict[str, Any]:
        """Calls a subscriber; the PBX does not take the call, and the record says so. Returns that record."""
        told = await self.post("/calls/outbound", self.order(who, **fields), 503)
        assert told["code"] == "pbx_unavailable"
        named = re.search(r"call-outbound-[a-z0-9]{12}", told["message"])
        assert named, told
        self.dialled.append(named[0])
        return await self.ended(named[0])

    async def talk(self, who: str, **fields: Any) -> str:
        """Calls a subscriber and waits for the answer."""
        call_id = await self.dial(who, **fields)
        await self.until(call_id, "in-progress")
        return call_id

    async def control(self, call_id: str, expect: int = 200, **command: Any) -> dict[str, Any]:
        """One control command."""
        return await self.post(f"/calls/{call_id}/control", command, expect)

    async def call(self, call_id: str) -> dict[str, Any]:
        """The Call as it is now."""
        status, told = await self.request("GET", f"/calls/{call_id}")
        assert status == 200, told
        return told

    async def until(self, call_id: str, *statuses: str, within_s: float = 60.0) -> dict[str, Any]:
        """The Call once it has one of these statuses."""
        deadline = time.monotonic() + within_s
        while (call := await self.call(call_id))["status"] not in statuses:
            assert call["status"] not in {"ended", "failed"}, f"ended too early: {call}"
            assert time.monotonic() < deadline, f"{call['status']} after {within_s} s: {call}"
            await asyncio.sleep(0.05)
        return call

    async def ended(self, call_id: str, within_s: float = 60.0) -> dict[str, Any]:
        """The Call once it is over."""
        return await self.until(call_id, "ended", "failed", within_s=within_s)

    async def news(self, call_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Everything that the call told, to its end."""
        async with asyncio.timeout(10):
            return [(event.type, event.data) async for event in self.service.calls.follow(call_id)]

    async def wait_for_news(self, call_id: str, wanted: str, within_s: float = 30.0) -> dict[str, Any]:
        """The data of the first event of a type."""
        async with asyncio.timeout(within_s):
            async for event in self.service.calls.follow(call_id):
                if event.type == wanted:
                    return event.data
        raise AssertionError(f"the call ended without {wanted}")

    async def transfer(self, call_id: str, who: str, **fields: Any) -> None:
        """Asks for a transfer to a subscriber."""
        await self.control(call_id, type="transfer", destination=subscriber(who).number, **fields)

    async def hand_over(self, call_id: str, who: str, **fields: Any) -> None:
        """A transfer that completes."""
        await self.transfer(call_id, who, **fields)
        await self.wait_for_news(call_id, "transferred")

    async def assert_all_told(self) -> None:
        """Every call that was dialled has one terminal state by the contract, and every line is free."""
        dialled, self.dialled = self.dialled, []
        for call_id in dialled:
            assert_told(await self.ended(call_id), await self.news(call_id))
        async with asyncio.timeout(5):
            while self.service.calls.live_count:
                await asyncio.sleep(0.02)
        assert self.service.calls.lines_in_use == 0


def assert_told(call: dict[str, Any], news: list[tuple[str, dict[str, Any]]]) -> None:
    """What holds of each ended call, however it ended."""
    kinds = [kind for kind, _ in news]
    assert kinds.count("ended") == 1 and kinds[-1] == "ended", kinds
    assert news[-1][1] == {key: call[key] for key in ("status", "end_reason", "error", "hangup")}
    assert (call["status"] == "failed") == (call["error"] is not None), call
    assert call["error"] is None or call["error"].endswith("."), call["error"]
    assert call["end_reason"] and set(call["hangup"]) == {"q850", "sip", "cause"}
    ended = moment(call, "ended_at")
    assert moment(call, "created_at") <= ended
    if call["started_at"] is None:
        assert (0, []) == (call["duration_seconds"], call["messages"])
    else:
        since_answer = (ended - moment(call, "started_at")).total_seconds()
        assert abs(call["duration_seconds"] - since_answer) < 0.1, (call["duration_seconds"], since_answer)


def moment(call: dict[str, Any], key: str) -> datetime:
    """A time of the record."""
    return datetime.fromisoformat(call[key])


def channel_kinds(pbx: InstanceState) -> list[str]:
    """The technology of each channel that is up on the PBX."""
    return sorted(channel["name"].partition("/")[0] for channel in ari(pbx, "GET", "/channels"))


async def nothing_left(pbx: InstanceState, within_s: float = 5.0) -> None:
    """The PBX has no channel and no bridge."""
    deadline = time.monotonic() + within_s
    while (left := await asyncio.to_thread(leftovers, pbx)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert left == []


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """Calls side by side; the first failure counts, but only once all are over."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def client_of(service: Service, carrier: InstanceState, session: aiohttp.ClientSession) -> Client:
    """A new organization with an assistant, a trunk to the carrier and two numbers, all made through the API."""
    _, key = await OrganizationService(service.store, service.clock).create("Acceptance")
    session.headers["Authorization"] = f"Bearer {key.reveal()}"
    client = Client(service, carrier, session)
    client.assistant_id = (await client.post("/assistants", ASSISTANT, 201))["assistant"]["id"]
    address = f"{carrier.host}:{carrier.sip_port}"
    trunk = await client.post(
        "/sip-trunks", {"name": "Carrier", "provider": "carrier", "address": address}, 201
    )
    client.trunk_id = trunk["trunk"]["id"]
    taken = time.time_ns() // 1000 % 10_000_000
    for last in range(2):
        body = {"phone_number": f"+3110{taken + last:07d}", "outbound_trunk_id": client.trunk_id}
        client.number_ids.append((await client.post("/numbers", body, 201))["number"]["id"])
    return client


@asynccontextmanager
async def serving(
    pair: Pair,
    folder: Path,
    *,
    engines: EngineRoom | None = None,
    calls: dict[str, Any] | None = None,
    **pbx: Any,
) -> AsyncIterator[Client]:
    """A service and its client while the context lasts; at its end every call must have been told."""
    service = Service(
        settings(pair.pbx, folder, calls=calls, connect_timeout_s=_AWAY_S, **pbx), engines=engines
    )
    await service.start()
    try:
        async with aiohttp.ClientSession() as session:
            client = await client_of(service, pair.carrier, session)
            yield client
            await client.assert_all_told()
    finally:
        await service.stop()
