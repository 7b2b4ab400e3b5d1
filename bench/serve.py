"""The service as the benches run it, in a process of its own: `python -m bench.serve FILE` with a JSON order in FILE.

Prints one JSON line when it answers (`base_url`, `api_key`), waits for a line on standard input, prints one JSON line about the
loop, and stops.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvloop

from bench.free_engines import FreeEngineRoom
from trunkline.app import Service
from trunkline.observe.logs import configure_logs
from trunkline.resources.organizations import OrganizationService
from trunkline.settings import Settings

_LAG_PERIOD_S = 0.02


async def _serve(order: dict[str, Any]) -> None:
    settings = Settings(**order["settings"])
    configure_logs(settings.logs)
    speech = order.get("assistant_speech")
    engines = FreeEngineRoom(Path(speech).read_bytes()) if speech else None
    service = Service(settings, engines=engines)
    await service.start()
    lags: list[float] = []
    watcher = asyncio.create_task(_watch(lags))
    try:
        _, key = await OrganizationService(service.store, service.clock).create("Bench")
        _tell({"base_url": service.base_url, "api_key": key.reveal()})
        await asyncio.to_thread(sys.stdin.readline)
        lags.clear()
        await asyncio.to_thread(sys.stdin.readline)
        _tell(
            {
                "loop_lag_p99_ms": _percentile(lags, 0.99) * 1000,
                "loop_lag_max_ms": max(lags, default=0) * 1000,
            }
        )
    finally:
        watcher.cancel()
        await service.stop()


async def _watch(lags: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        expected = loop.time() + _LAG_PERIOD_S
        await asyncio.sleep(_LAG_PERIOD_S)
        lags.append(loop.time() - expected)


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _tell(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(json.loads(Path(sys.argv[1]).read_text())))
