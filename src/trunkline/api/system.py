"""What operators and programs ask of the service itself: health, readiness, metrics, the contract and its page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from trunkline import __version__
from trunkline.api.docs_page import POLICY
from trunkline.api.operation import Answer, Ask, Operation
from trunkline.api.render_call import Shape
from trunkline.api.services import ApiServices
from trunkline.core.clock import iso_utc
from trunkline.core.errors import NotNow, UpstreamError
from trunkline.observe.metrics import CONTENT_TYPE

log = structlog.get_logger()

_TAG: Final = "Service"
_CHECK_TIMEOUT_S: Final = 2.5
_CHECKED_EVERY_S: Final = 1.0
_CALLED: Final = {"database": "database", "pbx": "PBX"}

CONTRACT = web.AppKey("contract", str)
PAGE = web.AppKey("page", str)
VITALS: web.AppKey[Vitals] = web.AppKey("vitals")

Verdict = Literal["ok", "error"]


class Check(Shape):
    """Whether one thing the service depends on can be reached."""

    status: Verdict
    latency_ms: float | None = Field(description="Of a round trip; null where it failed.")


class Checks(Shape):
    """What the service depends on."""

    database: Check = Field(description="The records.")
    pbx: Check = Field(description="The PBX.")


class Health(Shape):
    """The service is up; `status` tells whether everything it depends on is, too."""

    status: Literal["ok", "degraded"]
    timestamp: str
    version: str
    checks: Checks


class Contract(BaseModel):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class Ready(Shape):
    """The service can take calls."""

    status: Literal["ready"]
    timestamp: str


class Vitals:
    """Looks at what the service depends on, at most once a second however many ask."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._lock = asyncio.Lock()
        self._seen: tuple[float, dict[str, Any]] | None = None

    async def checks(self) -> dict[str, Any]:
        """The `checks` of an answer."""
        async with self._lock:
            now = self._services.clock.monotonic()
            if self._seen is None or now - self._seen[0] > _CHECKED_EVERY_S:
                database, pbx = await asyncio.gather(self._timed(self._database), self._timed(self._pbx))
                self._seen = (now, {"database": database, "pbx": pbx})
            return self._seen[1]

    async def _timed(self, look: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        started = self._services.clock.monotonic()
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                await look()
        except Exception as error:  # noqa: BLE001  # whatever it is, the check's answer is that it failed
            log.warning("health check failed", check=look.__name__.strip("_"), error=type(error).__name__)
            return {"status": "error", "latency_ms": None}
        return {"status": "ok", "latency_ms": round((self._services.clock.monotonic() - started) * 1000, 2)}

    async def _database(self) -> None:
        await self._services.database.ping()

    async def _pbx(self) -> None:
        found = await self._services.pbx.health()
        if not found.connected:
            raise UpstreamError(found.detail or "The PBX is not connected.")


async def health(ask: Ask[None, None]) -> Answer:
    """Up, and how everything it depends on is. Always 200: a restart wouldn't mend a PBX."""
    checks = await ask.http.config_dict[VITALS].checks()
    status = "ok" if all(check["status"] == "ok" for check in checks.values()) else "degraded"
    now = iso_utc(ask.services.clock.now())
    return Answer({"status": status, "timestamp": now, "version": __version__, "checks": checks})


async def ready(ask: Ask[None, None]) -> Answer:
    """Whether calls may be sent here."""
    if ask.services.calls.draining():
        raise NotNow("The service is stopping and takes no new calls.", code="draining")
    for name, check in (await ask.http.config_dict[VITALS].checks()).items():
        if check["status"] != "ok":
            raise NotNow(f"The {_CALLED[name]} can't be reached.", code=f"{name}_away")
    return Answer({"status": "ready", "timestamp": iso_utc(ask.services.clock.now())})


async def metrics(ask: Ask[None, None]) -> web.StreamResponse:
    """Prometheus text."""
    return web.Response(body=ask.services.metrics.page(), headers={"Content-Type": CONTENT_TYPE})


async def contract(ask: Ask[None, None]) -> web.StreamResponse:
    """The OpenAPI document."""
    return web.Response(text=ask.http.config_dict[CONTRACT], content_type="application/json")


async def page(ask: Ask[None, None]) -> web.StreamResponse:
    """The contract for people."""
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=ask.http.config_dict[PAGE], content_type="text/html", headers=headers)


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/health",
        "getHealth",
        _TAG,
        "Is the service up?",
        health,
        description="200 as long as the service runs; `status` is `degraded` where the database or the PBX can't be reached.",
        answer=Health,
        public=True,
    ),
    Operation(
        "GET",
        "/ready",
        "getReady",
        _TAG,
        "Can the service take calls?",
        ready,
        answer=Ready,
        public=True,
        errors=(503,),
    ),
    Operation(
        "GET",
        "/metrics",
        "getMetrics",
        _TAG,
        "Prometheus metrics",
        metrics,
        description="Needs no key from the machine itself.",
        content="text/plain",
        local=True,
    ),
    Operation(
        "GET", "/openapi.json", "getContract", _TAG, "This contract", contract, public=True, answer=Contract
    ),
    Operation(
        "GET", "/docs", "getDocs", _TAG, "This contract, for people", page, public=True, content="text/html"
    ),
)
