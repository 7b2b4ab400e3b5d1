"""One media channel's socket: the hot path. 50 messages a second each way and call, so a message costs one callback.

A plain asyncio protocol is used rather than a websocket client with a queue: a queue wakes a task for every message, which
costs more than everything else that happens to a frame here (figures in bench/).

Life: connecting -> open -> closed. Reading and writing belong to the event loop; nothing here is awaited but the handshake,
a full send buffer, a flush and the close.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
from typing import Final, cast

import structlog
from yarl import URL

from trunkline.audio.formats import AudioFormat
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.media_protocol import (
    CommandRefused,
    DigitPressed,
    FlowChanged,
    MalformedControl,
    MarkProcessed,
    MediaProtocol,
    QueueDrained,
)
from trunkline.pbx.asterisk.wire import (
    MessageReader,
    Opcode,
    WireError,
    encode,
    read_upgrade,
    upgrade_request,
)
from trunkline.pbx.port import MediaSink

_log = structlog.get_logger()

MAX_SEND_BYTES: Final = 4096
"""Bigger messages arrive in several segments, and Asterisk hangs up after ten partial reads of one."""
_CONNECT_TIMEOUT_S: Final = 5.0
_CLOSE_TIMEOUT_S: Final = 1.0
_DRAIN_TIMEOUT_S: Final = 5.0
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


class MediaSocket(asyncio.Protocol):
    """Audio both ways with one `WebSocket` channel of Asterisk; a `trunkline.pbx.port.MediaChannel`."""

    def __init__(self, leg_id: LegId, audio: AudioFormat, sink: MediaSink, *, flush_timeout_s: float) -> None:
        self._leg_id = leg_id
        self._audio = audio
        self._sink = sink
        self._on_audio = sink.on_audio
        self._flush_timeout_s = flush_timeout_s
        self._frame_bytes = audio.frame_bytes
        self._send_bytes = MAX_SEND_BYTES - MAX_SEND_BYTES % self._frame_bytes
        self._protocol = MediaProtocol()
        self._messages = MessageReader()
        self._partial = b""
        self._outgoing: list[bytes] = []
        self._random_bytes = random.Random(os.urandom(16)).randbytes  # noqa: S311  # masks, not secrets
        self._transport: asyncio.Transport | None = None
        self._key = os.urandom(16)
        self._greeting = b""
        self._is_open = False
        self._closing = False
        self._loss: str | None = None
        loop = asyncio.get_running_loop()
        self._upgraded: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._drained: asyncio.Future[None] | None = None
        self._flushed: asyncio.Future[None] | None = None

    @property
    def leg_id(self) -> LegId:
        """The leg that this channel is, on the PBX."""
        return self._leg_id

    @property
    def audio(self) -> AudioFormat:
        """The format both ways."""
        return self._audio

    async def connect(self, url: URL, authorization: str | None = None) -> None:
        """Opens the socket at `.../media/<connection id>`.

        Raises:
            UpstreamError: refused, or not done in time. Never try the same connection id again.
        """
        assert url.host is not None
        tls = ssl.create_default_context() if url.scheme in {"https", "wss"} else None
        request = upgrade_request(url.authority.rpartition("@")[2], url.raw_path, self._key, authorization)
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(lambda: self, url.host, url.port or 80, ssl=tls)
                transport.write(request)
                await self._upgraded
        except (OSError, TimeoutError, WireError) as error:
            self._closing = True
            self._abort()
            raise UpstreamError(
                f"The PBX did not open the audio socket: {str(error) or 'no answer in time'}."
            ) from error
        except asyncio.CancelledError:
            self._closing = True
            self._abort()
            raise

    # --- what we ask for --------------------------------------------------------------------------------------------

    async def send(self, frames: bytes) -> None:
        """Queues whole frames; waits only while the PBX takes no bytes at all.

        Raises:
            ValueError: `frames` is not a multiple of the frame.
            UpstreamError: the channel is gone.
        """
        size = len(frames)
        if size % self._frame_bytes:
            raise ValueError(f"{size} bytes are not whole frames of {self._frame_bytes}")
        self._writable()
        if size <= self._send_bytes:
            if size:
                self._write(encode(Opcode.BINARY, frames, self._random_bytes(4)))
        else:
            for start in range(0, size, self._send_bytes):
                part = frames[start : start + self._send_bytes]
                self._write(encode(Opcode.BINARY, part, self._random_bytes(4)))
        if self._drained is not None:
            await self._wait_drained()

    async def mark(self, mark_id: str) -> None:
        """Asks for `on_mark(mark_id)`.

        Raises:
            ValueError: not a mark that the PBX can carry.
            UpstreamError: the channel is gone.
        """
        self._writable()
        self._write_text(self._protocol.mark(mark_id))

    async def flush(self) -> None:
        """Drops what is queued; returns once confirmed or after the flush time-out. A second flush joins the first.

        Raises:
            UpstreamError: the channel is gone.
        """
        self._writable()
        for command in self._protocol.flush():
            self._write_text(command)
        if self._flushed is None:
            self._flushed = asyncio.get_running_loop().create_future()
        waiting = self._flushed
        try:
            async with asyncio.timeout(self._flush_timeout_s):
                await asyncio.shield(waiting)
        except TimeoutError:
            if self._flushed is waiting:
                lost = self._protocol.give_up_flush()
                _log.warning("flush not confirmed", leg_id=self._leg_id, lost_marks=len(lost))
                self._end_flush()

    async def close(self) -> None:
        """Ends the channel and its leg. Idempotent."""
        self._closing = True
        transport = self._transport
        if transport is None or self._closed.done():
            return
        if not transport.is_closing():
            self._write_text(self._protocol.hang_up())
            self._write_out()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await asyncio.shield(self._closed)
        except TimeoutError:
            _log.warning("media channel did not hang up", leg_id=self._leg_id)
        finally:
            self._abort()

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notes the transport; a dead peer is found by keep-alive, as a silent one sends nothing."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                connection.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        """The hot path: audio goes straight to the sink."""
        try:
            if not self._is_open:
                data = self._shake_hands(data)
            for opcode, payload in self._messages.feed(data):
                if opcode == Opcode.BINARY:
                    if self._partial or len(payload) % self._frame_bytes:
                        payload = self._whole_frames(payload)  # noqa: PLW2901
                    if payload:
                        self._on_audio(payload)
                else:
                    self._control(opcode, payload)
        except WireError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001
            # The sink's defect; without this the loop would drop the socket and nobody would know why.
            _log.exception("media sink failed", leg_id=self._leg_id)
            self._fail(f"the sink failed: {error}")

    def pause_writing(self) -> None:
        """The send buffer is full: `send` waits."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The send buffer has room again."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, and with it the channel's leg on the PBX."""
        self._is_open = False
        self.resume_writing()
        self._end_flush()
        if not self._upgraded.done():
            self._upgraded.set_exception(WireError(self._loss or "the PBX closed the connection"))
        elif not self._closing:
            self._sink.on_lost(self._loss or (str(exc) if exc else "the PBX closed the channel"))
        if not self._closed.done():
            self._closed.set_result(None)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _writable(self) -> asyncio.Transport:
        transport = self._transport
        if transport is None or not self._is_open or self._closing or transport.is_closing():
            raise UpstreamError("The audio channel is gone.")
        return transport

    def _write_text(self, command: str) -> None:
        self._write(encode(Opcode.TEXT, command.encode("ascii"), self._random_bytes(4)))

    def _write(self, message: bytes) -> None:
        """What is written in one turn of the loop, audio and its mark, leaves in one system call."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._write_out)
        self._outgoing.append(message)

    def _write_out(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(outgoing))

    async def _wait_drained(self) -> None:
        drained = self._drained
        assert drained is not None
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await asyncio.shield(drained)
        except TimeoutError:
            self._fail("the PBX took no audio for 5 s")
        self._writable()

    def _shake_hands(self, data: bytes) -> bytes:
        self._greeting += data
        rest = read_upgrade(self._greeting, self._key)
        if rest is None:
            return b""
        self._greeting = b""
        self._is_open = True
        if not self._upgraded.done():
            self._upgraded.set_result(None)
        return rest

    def _whole_frames(self, payload: bytes) -> bytes:
        """Carriers may send packets of 30 ms; the port promises whole frames."""
        payload = self._partial + payload
        whole = len(payload) - len(payload) % self._frame_bytes
        self._partial = payload[whole:]
        return payload[:whole]

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.TEXT:
            try:
                self._follow(payload.decode("utf-8", "replace"))
            except MalformedControl as error:
                _log.warning("unreadable control message", leg_id=self._leg_id, error=str(error))
        elif opcode == Opcode.PING:
            self._write(encode(Opcode.PONG, payload, self._random_bytes(4)))
        elif opcode == Opcode.CLOSE:
            self._loss = self._loss or "the PBX closed the channel"
            assert self._transport is not None
            self._transport.write(encode(Opcode.CLOSE, payload[:2], self._random_bytes(4)))
            self._transport.close()

    def _follow(self, text: str) -> None:
        match self._protocol.receive(text):
            case MarkProcessed(mark_id):
                self._sink.on_mark(mark_id)
            case FlowChanged(paused):
                self._sink.on_flow(paused=paused)
            case DigitPressed(digit):
                self._sink.on_digit(digit)
            case QueueDrained():
                self._end_flush()
            case CommandRefused(text):
                _log.warning("media command refused", leg_id=self._leg_id, reason=text)
            case _:
                pass

    def _end_flush(self) -> None:
        flushed, self._flushed = self._flushed, None
        if flushed is not None and not flushed.done():
            flushed.set_result(None)

    def _fail(self, reason: str) -> None:
        self._loss = self._loss or reason
        self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
