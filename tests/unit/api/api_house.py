"""The API on a free port of loopback, over a real store, with two organizations and calls that need no telephone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from api_memory_calls import MemoryCalls

from trunkline.api.services import ApiServices
from trunkline.core.clock import SystemClock
from trunkline.core.ids import OrganizationId, TrunkId
from trunkline.observe.metrics import Metrics
from trunkline.pbx.port import PbxHealth, TrunkSpec, TrunkStatus
from trunkline.resources.assistants import AssistantService
from trunkline.resources.numbers import NumberService
from trunkline.resources.trunks import TrunkService
from trunkline.settings import Settings
from trunkline.store.rows import ApiKeyRow, OrganizationRow
from trunkline.store.store import Store
from trunkline.store.vault import Vault

KEY = "tl_key-of-organization-a"
OTHER_KEY = "tl_key-of-organization-b"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
WITH_OTHER_KEY = {"Authorization": f"Bearer {OTHER_KEY}"}
ASSISTANT = {
    "llm_config": {"provider": "flow", "model": "desk"},
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "tts_config": {"provider": "hibari", "voice_id": "default"},
}
DIAL = {"destination": "+31201234567", "assistant": ASSISTANT}


@dataclass
class ScriptedPbx:
    connected: bool = True
    fails: bool = False

    async def health(self) -> PbxHealth:
        if self.fails:
            raise OSError("no route")
        return PbxHealth(self.connected, "22.10.1", None)


class ScriptedDoor:
    """A PBX that learns trunks."""

    def __init__(self) -> None:
        self.trunks: dict[TrunkId, TrunkSpec] = {}

    async def put_trunk(self, trunk: TrunkSpec) -> None:
        self.trunks[trunk.id] = trunk

    async def remove_trunk(self, trunk_id: TrunkId) -> None:
        self.trunks.pop(trunk_id, None)

    async def trunk_status(self, trunk_id: TrunkId) -> TrunkStatus:
        return TrunkStatus(reachable=trunk_id in self.trunks, rtt_ms=1.0)


@dataclass
class Answered:
    status: int
    headers: Any
    body: Any
    text: str = field(repr=False)


class House:
    """A running API and everything behind it that tests look at."""

    def __init__(
        self,
        app: web.Application,
        services: ApiServices,
        store: Store,
        port: int,
        session: aiohttp.ClientSession,
    ) -> None:
        self.app = app
        self.services = services
        self.store = store
        self.calls: MemoryCalls = services.calls  # type: ignore[assignment]
        self.pbx: ScriptedPbx = services.pbx  # type: ignore[assignment]
        self.url = f"http://127.0.0.1:{port}"
        self.session = session

    async def send(
        self, method: str, path: str, *, key: dict[str, str] | None = WITH_KEY, **request: Any
    ) -> Answered:
        headers = {**(key or {}), **request.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **request) as response:
            text = await response.text()
            body = await response.json() if response.content_type == "application/json" else None
            return Answered(response.status, response.headers, body, text)

    async def get(self, path: str, **request: Any) -> Answered:
        return await self.send("GET", path, **request)

    async def post(self, path: str, json: Any = None, **request: Any) -> Answered:
        return await self.send("POST", path, json=json, **request)

    async def dial(self, **request: Any) -> str:
        answered = await self.post("/calls/outbound", DIAL, **request)
        assert answered.status == 200, answered.text
        return str(answered.body["call_id"])


async def add_organization(store: Store, name: str, key: str) -> None:
    now = SystemClock().now()
    organization_id = OrganizationId(f"org-{name}")
    sha256 = hashlib.sha256(key.encode()).hexdigest()
    row = ApiKeyRow(f"key-{name}", organization_id, name, key[:6], sha256, now)
    await store.organizations.insert(OrganizationRow(organization_id, name, now), row)


def make_services(settings: Settings, store: Store, clock: SystemClock) -> ApiServices:
    vault = Vault(bytes(32))
    return ApiServices(
        settings=settings,
        clock=clock,
        calls=MemoryCalls(store, clock),
        keys=store.api_keys,
        idempotency=store.idempotency,
        database=store,
        pbx=ScriptedPbx(),
        metrics=Metrics(),
        assistants=AssistantService(store, vault, clock),
        numbers=NumberService(store, clock),
        trunks=TrunkService(store, vault, ScriptedDoor(), clock),
    )
