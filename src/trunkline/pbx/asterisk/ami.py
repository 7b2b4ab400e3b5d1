"""Asterisk's manager interface, for what ARI lacks. The only importer of panoramisk, and only of its protocol.

panoramisk's `Manager` repeats unanswered actions after a reconnect, does not notice a dead link and can't be stopped while
it waits to reconnect; so its `AMIProtocol` (framing, action ids, lists) is used here under a connection life of our own:
nothing is ever sent twice, every action has a time limit, and a lost connection fails what waits. Calls go on without AMI.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from trunkline.core.errors import UpstreamError

_log = structlog.get_logger()

_ACTION_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 5.0
_PING_EVERY_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_MUTE: Final = logging.Logger("ami", logging.CRITICAL)  # noqa: LOG001  # apart from everybody's settings
"""panoramisk writes every message into its debug log, and lists of registrations carry passwords."""


class _Link:
    """What `AMIProtocol` expects of its factory. Events are not used; the login asks for none."""

    # Every action that waits when the link breaks is collected below and never sent again.
    forgetable_actions: tuple[str, ...] = ()
    save_stream = None

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self.awaiting_actions: deque[Action] = deque()
        self.lost = asyncio.Event()
        self._on_lost = on_lost

    def dispatch(self, event: Message) -> None:
        """An event: none is of use."""

    def connection_lost(self, exc: object) -> None:
        """Called by the protocol when the connection is gone, or when the PBX says that it goes."""
        self.awaiting_actions.clear()
        self.lost.set()
        self._on_lost(str(exc) if isinstance(exc, Exception) else "closed by the PBX")


class Ami:
    """Actions that we use, typed. Connected for as long as `run` runs."""

    def __init__(
        self, host: str, port: int, username: str, secret: str, *, on_connected: Callable[[], None]
    ) -> None:
        self._on_connected = on_connected
        self._host = host
        self._port = port
        self._username = username
        self._secret = secret
        self._protocol: Any = None
        self._pending: set[asyncio.Future[Any]] = set()
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Connects and reconnects until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._follow()
            except (OSError, TimeoutError, UpstreamError) as error:
                _log.warning("ami not connected", error=str(error) or type(error).__name__)
            if self.connected.is_set():
                self.connected.clear()
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def ping(self) -> None:
        """One round trip.

        Raises:
            UpstreamError: no answer in time.
        """
        await self._act({"Action": "Ping"})

    async def mix_monitor(self, leg_id: str, options: str) -> str:
        """Starts a recording of a leg; returns the id that stops it.

        Raises:
            UpstreamError: refused (no such leg), or no answer: unknown whether it records.
        """
        answer = await self._act({"Action": "MixMonitor", "Channel": leg_id, "File": "", "Options": options})
        return str(answer[0].get("MixMonitorID") or "")

    async def stop_mix_monitor(self, leg_id: str, monitor_id: str) -> bool:
        """Stops a recording; False where leg or recording is gone.

        Raises:
            UpstreamError: no answer.
        """
        action = {"Action": "StopMixMonitor", "Channel": leg_id}
        if monitor_id:
            action["MixMonitorID"] = monitor_id
        try:
            await self._act(action)
        except AmiRefused:
            return False
        return True

    async def registrations(self) -> dict[str, str]:
        """Status of each outbound registration by its name: `Registered`, `Unregistered`, `Rejected` ..."""
        answer = await self._list("PJSIPShowRegistrationsOutbound")
        return {
            str(item["ObjectName"]): str(item.get("Status", ""))
            for item in answer
            if item.get("Event") == "OutboundRegistrationDetail"
        }

    async def contacts(self, endpoint: str) -> list[tuple[str, float | None]]:
        """Each contact's status (`Reachable`, `Unreachable`, `NonQualified`, `Unknown`) and its round trip in ms."""
        answer = await self._list("PJSIPShowEndpoint", Endpoint=endpoint)
        return [
            (str(item.get("Status", "")), _ms(item.get("RoundtripUsec")))
            for item in answer
            if item.get("Event") == "ContactStatusDetail"
        ]

    async def qualify(self, endpoint: str) -> None:
        """Asks the trunk's far side for a sign of life now (OPTIONS)."""
        await self._act({"Action": "PJSIPQualify", "Endpoint": endpoint})

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """One connection, from login to loss."""
        link = _Link(self._fail_pending)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            transport, protocol = await loop.create_connection(AMIProtocol, self._host, self._port)
        protocol.factory = link
        protocol.encoding = "utf-8"
        protocol.log = _MUTE
        self._protocol = protocol
        try:
            await self._act(
                {"Action": "Login", "Username": self._username, "Secret": self._secret, "Events": "off"}
            )
            self.connected.set()
            self._on_connected()
            while not await _within(_PING_EVERY_S, link.lost):
                # A ping that is not answered is the only sign of a link that is dead in the middle.
                await self.ping()
            raise UpstreamError("The PBX closed the manager connection.")
        finally:
            self._protocol = None
            protocol.closed = True  # or it would call its factory once more
            transport.abort()
            self._fail_pending("closed")

    def _fail_pending(self, reason: str) -> None:
        for future in self._pending:
            if not future.done():
                future.set_exception(UpstreamError(f"The manager connection ended: {reason}."))

    async def _list(self, name: str, **fields: str) -> list[Mapping[str, Any]]:
        try:
            return await self._act({"Action": name, **fields})
        except AmiRefused as error:
            if "permission" in error.message.lower():
                raise
            # An empty list is answered as an error ("No objects found").
            return []

    async def _act(self, fields: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """Sends one action; returns its answers.

        Raises:
            AmiRefused: answered with an error.
            UpstreamError: not connected, or no answer: unknown whether it was done. Never sent again.
        """
        protocol = self._protocol
        if protocol is None:
            raise UpstreamError(
                "The PBX's manager interface is not connected.", retryable=True, code="ami_unavailable"
            )
        action = Action({_clean(key): _clean(value) for key, value in fields.items()})
        future: asyncio.Future[Any] = protocol.send(action, as_list=None)
        self._pending.add(future)
        try:
            async with asyncio.timeout(_ACTION_TIMEOUT_S):
                answer = await future
        except TimeoutError as error:
            raise UpstreamError(f"The PBX did not answer {fields['Action']} in time.") from error
        finally:
            self._pending.discard(future)
            protocol.responses.pop(action.id, None)
        messages = answer if isinstance(answer, list) else [answer]
        if messages[0].get("Response") not in {"Success", "Follows", "Goodbye"}:
            raise AmiRefused(
                f"The PBX refused {fields['Action']}: {messages[0].get('Message', 'no reason given')}."
            )
        return messages


class AmiRefused(UpstreamError):
    """The manager interface answered with an error."""

    code = "ami_refused"


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came in so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _clean(text: str) -> str:
    """A line break would begin a header, or a whole action, of somebody else's making."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("control characters are not sent to the PBX")
    return text


def _ms(microseconds: object) -> float | None:
    try:
        value = float(str(microseconds)) / 1000
    except ValueError:
        return None
    return value if value > 0 else None
