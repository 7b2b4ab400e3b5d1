"""The composition root: makes the parts, starts them in order, stops them in reverse.

With `engine_room`, the only file that names concrete adapters.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import structlog
from pydantic import SecretStr

from trunkline.api.server import ApiServer, make_api
from trunkline.api.services import ApiServices
from trunkline.calls.outbound import EngineRoom
from trunkline.calls.service import CallService
from trunkline.core.clock import Clock, SystemClock
from trunkline.core.errors import UpstreamError
from trunkline.engine_room import Engines
from trunkline.observe.loop_lag import watch_loop_lag
from trunkline.observe.metrics import Metrics
from trunkline.pbx.asterisk.pbx import AsteriskPbx
from trunkline.pbx.port import Pbx
from trunkline.resources.assistants import AssistantService
from trunkline.resources.numbers import NumberService
from trunkline.resources.trunks import TrunkService
from trunkline.settings import Settings
from trunkline.store.store import Store
from trunkline.store.vault import Vault

_log = structlog.get_logger()
_DISK_THREADS = 2
_GC_THRESHOLDS = (20_000, 20, 50)


class Service:
    """One running Trunkline.

    Args:
        settings: checked and frozen.
        pbx: another PBX than the Asterisk of the settings (the simulated one, in tests).
        engines: other engines than those of the settings (scripted ones, in tests and benches).
        clock: another clock than the machine's.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pbx: Pbx | None = None,
        engines: EngineRoom | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.pbx: Pbx = pbx or AsteriskPbx(settings.pbx, settings.media, self.clock)
        self.metrics = Metrics()
        self._engines: EngineRoom = engines or Engines(settings)
        self._resources = AsyncExitStack()
        self.base_url = ""
        self.store: Store
        self.calls: CallService

    async def start(self) -> None:
        """Starts every part; on failure those that were started are stopped again.

        Raises:
            TrunklineError, OSError: a part can't start; the message says which and why.
        """
        try:
            await self._start()
        except BaseException:
            await self._resources.aclose()
            raise

    async def _start(self) -> None:
        settings, resources = self.settings, self._resources
        self.store = await Store.open(settings.database.url, self.clock)
        resources.push_async_callback(self.store.close)
        await self.store.idempotency.release_abandoned()
        vault = Vault.open(settings.database.url, _clear(settings.database.vault_key))
        settings.recordings.folder.mkdir(parents=True, exist_ok=True)
        disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk")
        resources.callback(disk.shutdown)
        resources.push_async_callback(self._engines.close)
        if settings.engines.warm_up:
            await self._engines.warm_up()
        await self.pbx.start()
        resources.push_async_callback(self.pbx.close)
        trunks = TrunkService(self.store, vault, self.pbx, self.clock)
        await self._put_trunks(trunks)
        numbers = NumberService(self.store, self.clock)
        assistants = AssistantService(self.store, vault, self.clock)
        self.calls = CallService(
            pbx=self.pbx,
            store=self.store,
            assistants=assistants,
            numbers=numbers,
            engines=self._engines,
            settings=settings,
            clock=self.clock,
            choose=secrets.choice,
            metrics=self.metrics,
            disk=disk,
        )
        await self.calls.start()
        resources.push_async_callback(self.calls.stop)
        lag = asyncio.create_task(watch_loop_lag(self.metrics.loop_lagged), name="loop-lag")
        resources.push_async_callback(_end, lag)
        services = ApiServices(
            settings=settings,
            clock=self.clock,
            calls=self.calls,
            keys=self.store.api_keys,
            idempotency=self.store.idempotency,
            database=self.store,
            pbx=self.pbx,
            metrics=self.metrics,
            assistants=assistants,
            numbers=numbers,
            trunks=trunks,
        )
        server = ApiServer(make_api(services), settings.http.host, settings.http.port)
        port = await server.start()
        resources.push_async_callback(server.stop)
        _tune_collector()
        self.base_url = f"http://{settings.http.host}:{port}"
        _log.info("service started", url=self.base_url, pbx=self.pbx.node)

    async def stop(self, *, drain: bool = False) -> None:
        """Ends the calls (after `calls.shutdown_grace_s` when draining), then every part. Idempotent."""
        if hasattr(self, "calls"):
            await self.calls.drain(self.settings.calls.shutdown_grace_s if drain else 0.0)
        await self._resources.aclose()

    async def _put_trunks(self, trunks: TrunkService) -> None:
        try:
            await trunks.put_all()
        except UpstreamError as error:
            _log.warning("trunks not put on the PBX yet", error=error.message)


def _clear(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _tune_collector() -> None:
    """What was made at start stays for good, and calls make few cycles: fewer and shorter pauses of the loop."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
