"""Asterisk's event socket, kept open. The reader parses and hands on; whoever takes events returns in microseconds.

Asterisk cuts a reader that stalls, and an application whose socket is gone misses its events for good; so every new
connection ends with the owner's reconciliation before it counts as connected.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import structlog

from trunkline.core.errors import UpstreamError
from trunkline.pbx.asterisk.ari_rest import AriRest

_log = structlog.get_logger()

_HEARTBEAT_S: Final = 10.0
_CONNECT_TIMEOUT_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_MAX_MESSAGE_BYTES: Final = 1_048_576


class _Disconnected(Exception):
    """The event socket ended; cleanly or not makes no difference."""


class AriEvents:
    """Events of one Stasis application, for as long as `run` runs.

    Args:
        rest: whose session and credentials are used.
        app: the application's name; a second connection under it takes over and ends the first.
        on_event: called with each event as parsed JSON, on the loop, in order.
        on_connected: awaited after each (re)connect while events already flow; its failure drops the connection again.
        on_disconnected: called once for each loss of a connection that had counted as connected.
    """

    def __init__(
        self,
        rest: AriRest,
        app: str,
        *,
        on_event: Callable[[dict[str, Any]], None],
        on_connected: Callable[[], Awaitable[None]],
        on_disconnected: Callable[[], None],
    ) -> None:
        self._rest = rest
        self._app = app
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Connects and reconnects until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._follow()
            except* (_Disconnected, UpstreamError, aiohttp.ClientError, OSError, TimeoutError) as group:
                _log.warning("pbx events not connected", error=_words(group))
            if self.connected.is_set():
                self.connected.clear()
                pause_s = _FIRST_PAUSE_S
                self._on_disconnected()
            # Half of the pause is chance, so that many services do not knock on a restarted PBX together.
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _follow(self) -> None:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            socket = await self._rest.session().ws_connect(
                self._rest.url("/ari/events", {"app": self._app, "subscribeAll": "false"}),
                heartbeat=_HEARTBEAT_S,
                max_msg_size=_MAX_MESSAGE_BYTES,
            )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(socket), name="ari-events")
                tasks.create_task(self._greet(), name="ari-reconcile")
        finally:
            await socket.close()

    async def _greet(self) -> None:
        await self._on_connected()
        self.connected.set()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            try:
                event = json.loads(message.data)
            except ValueError:
                _log.warning("unreadable pbx event", size=len(message.data))
                continue
            if isinstance(event, dict):
                self._on_event(event)
        raise _Disconnected(f"the PBX closed the event socket ({socket.close_code})")


def _words(group: BaseExceptionGroup[BaseException]) -> str:
    return "; ".join(str(error) or type(error).__name__ for error in group.exceptions)
