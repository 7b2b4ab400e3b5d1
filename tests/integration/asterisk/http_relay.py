"""A TCP relay on loopback between the adapter and Asterisk's HTTP port, whose connections can be cut by what they carry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

EVENTS = "/ari/events"
MEDIA = "/media/"


class Relay:
    """Knows each connection by what it became: the event socket, an audio socket, or plain requests."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.lines: set[Front] = set()
        self.closed_to: set[str] = set()

    def cut(self, kind: str) -> int:
        """Cuts every connection of this kind; returns how many."""
        lines = [line for line in self.lines if line.kind == kind]
        for line in lines:
            line.cut()
        return len(lines)

    def refuse(self, kind: str) -> None:
        """New connections of this kind are cut at once."""
        self.closed_to.add(kind)

    def admit(self, kind: str) -> None:
        """Undoes `refuse`."""
        self.closed_to.discard(kind)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Relays while the context lasts; yields the port."""
        server = await asyncio.get_running_loop().create_server(lambda: Front(self), "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for line in tuple(self.lines):
                line.cut()
            await server.wait_closed()


class Front(asyncio.Protocol):
    """The adapter's side of one connection."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.kind = ""
        self.back: asyncio.Transport | None = None
        self.waiting = b""
        self.connecting: asyncio.Task[object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.front = transport
        self.relay.lines.add(self)
        loop = asyncio.get_running_loop()
        self.connecting = loop.create_task(
            loop.create_connection(lambda: Back(self), *self.relay.target), name="relay"
        )

    def data_received(self, data: bytes) -> None:
        # A kept-alive connection may begin with plain requests and become a socket later.
        for kind in (EVENTS, MEDIA):
            if data.startswith(f"GET {kind}".encode()):
                self.kind = kind
        if self.kind in self.relay.closed_to:
            self.cut()
        elif self.back is None:
            self.waiting += data
        else:
            self.back.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.relay.lines.discard(self)
        self.cut()

    def cut(self) -> None:
        """Both sides at once."""
        if self.connecting is not None:
            self.connecting.cancel()
        self.front.abort()
        if self.back is not None:
            self.back.abort()


class Back(asyncio.Protocol):
    """Asterisk's side of it."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.front.back = transport
        transport.write(self.front.waiting)

    def data_received(self, data: bytes) -> None:
        self.front.front.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.front.cut()
