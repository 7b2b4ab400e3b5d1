"""The HTTP application, and its start and stop."""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import Any, Final

from aiohttp import web

from trunkline import __version__
from trunkline.api import assistants, call_events, calls, numbers, recording, system, trunks
from trunkline.api.auth import Authentication
from trunkline.api.docs_page import docs_page
from trunkline.api.edge import edge, stamp
from trunkline.api.endpoint import endpoint
from trunkline.api.gate import Gate
from trunkline.api.openapi import openapi
from trunkline.api.operation import Operation
from trunkline.api.services import ApiServices

OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    *calls.OPERATIONS,
    *call_events.OPERATIONS,
    *recording.OPERATIONS,
    *assistants.OPERATIONS,
    *numbers.OPERATIONS,
    *trunks.OPERATIONS,
    *system.OPERATIONS,
)
_BASES: Final = ("", "/api/v1")
_SHUTDOWN_S: Final = 3.0


def make_api(services: ApiServices) -> web.Application:
    """The application, with every path at `/` and under `/api/v1`."""
    http = services.settings.http
    gate = Gate(
        Authentication(services.keys, services.clock),
        services.settings.api,
        services.clock,
        http.trusted_proxies,
    )
    app = web.Application(middlewares=[edge(gate)], client_max_size=http.max_body_bytes)
    app[system.CONTRACT], app[system.PAGE] = _contract()
    app[system.VITALS] = system.Vitals(services)
    app[call_events.STREAMS] = set()
    app.on_response_prepare.append(stamp(gate))
    app.on_shutdown.append(call_events.stop_streams)
    for base in _BASES:
        for operation in OPERATIONS:
            _add(app, base + operation.path, operation, services, gate)
    return app


@cache
def _contract() -> tuple[str, str]:
    """The contract for programs and for people: made once, served as it is."""
    document = openapi(OPERATIONS, __version__)
    return json.dumps(document, separators=(",", ":")), docs_page(document)


def _add(
    app: web.Application, path: str, operation: Operation[Any, Any], services: ApiServices, gate: Gate
) -> None:
    handler = endpoint(operation, services, gate)
    path = path.replace("/calls/{id}", "/calls/{id:(?!outbound$)[^/]+}")  # no call is called "outbound"
    app.router.add_route(operation.method, path, handler)
    if operation.method == "GET":
        app.router.add_route("HEAD", path, handler)


def _protocol_log() -> logging.Logger:
    """Where the HTTP library tells of requests that are no HTTP, without their bytes: a malformed header may hold a key."""

    def without_bytes(record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True

    logger = logging.getLogger("trunkline.http")
    logger.filters = [without_bytes]
    return logger


class ApiServer:
    """The API, listening."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(
            app, access_log=None, logger=_protocol_log(), shutdown_timeout=_SHUTDOWN_S
        )
        self._host = host
        self._port = port

    async def start(self) -> int:
        """Listens; the port, which the system chose where 0 was asked for.

        Raises:
            OSError: the address or port can't be had.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = int(self._runner.addresses[0][1])
        return self._port

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    async def stop(self) -> None:
        """Stops listening and lets running requests end, up to three seconds."""
        await self._runner.cleanup()
