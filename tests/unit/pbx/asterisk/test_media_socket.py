"""The media socket, against a websocket server on loopback that plays Asterisk's part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from trunkline.audio.formats import SLIN_16K, ULAW_8K, AudioFormat
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.media_socket import MAX_SEND_BYTES, MediaSocket

Play = Callable[[web.WebSocketResponse], Awaitable[None]]
FRAME = b"\x55" * 160


class Ear:
    """Notes what a sink is told."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.told: list[tuple[str, object]] = []
        self.changed = asyncio.Event()

    def _note(self, what: str, value: object) -> None:
        self.told.append((what, value))
        self.changed.set()

    def on_audio(self, frames: bytes) -> None:
        self.heard.append(frames)
        self.changed.set()

    def on_mark(self, mark_id: str) -> None:
        self._note("mark", mark_id)

    def on_flow(self, *, paused: bool) -> None:
        self._note("paused", paused)

    def on_digit(self, digit: str) -> None:
        self._note("digit", digit)

    def on_lost(self, reason: str) -> None:
        self._note("lost", reason)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(3):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class FailingEar(Ear):
    """A sink with a defect."""

    def on_audio(self, frames: bytes) -> None:
        raise RuntimeError("no")


@pytest.fixture
async def open_socket() -> AsyncIterator[Callable[..., Awaitable[tuple[MediaSocket, Ear]]]]:
    servers: list[TestServer] = []
    sockets: list[MediaSocket] = []

    async def start(
        play: Play, audio: AudioFormat = ULAW_8K, flush_timeout_s: float = 2.0, ear: Ear | None = None
    ) -> tuple[MediaSocket, Ear]:
        async def serve(request: web.Request) -> web.StreamResponse:
            if request.path.endswith("/unknown"):
                return web.Response(status=404)
            socket = web.WebSocketResponse(protocols=("media",), compress=False)
            await socket.prepare(request)
            await play(socket)
            return socket

        app = web.Application()
        app.router.add_get("/media/{id}", serve)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        ear = ear or Ear()
        socket = MediaSocket(LegId("tl-m"), audio, ear, flush_timeout_s=flush_timeout_s)
        sockets.append(socket)
        await socket.connect(URL(str(server.make_url("/media/abc"))))
        return socket, ear

    yield start
    for socket in sockets:
        await socket.close()
    for server in servers:
        await server.close()


def event(name: str, **fields: object) -> str:
    return json.dumps({"event": name, "channel_id": "tl-m", **fields})


async def hang_up_on_command(socket: web.WebSocketResponse) -> None:
    """What Asterisk does: reads on, and closes when told to hang up."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT and "HANGUP" in message.data:
            return


async def test_audio_reaches_the_sink_as_it_came(open_socket):
    """Also before MEDIA_START was told."""

    async def play(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(FRAME)
        await socket.send_str(event("MEDIA_START", format="ulaw", optimal_frame_size=160, ptime=20))
        await socket.send_bytes(FRAME * 2)
        await hang_up_on_command(socket)

    _, ear = await open_socket(play)
    await ear.until(lambda: len(ear.heard) == 2)

    assert ear.heard == [FRAME, FRAME * 2]


async def test_packets_of_30_ms_become_whole_frames(open_socket):
    """Nothing is lost and nothing is torn."""
    packets = [bytes([i]) * 240 for i in range(4)]

    async def play(socket: web.WebSocketResponse) -> None:
        for packet in packets:
            await socket.send_bytes(packet)
        await hang_up_on_command(socket)

    _, ear = await open_socket(play)
    await ear.until(lambda: sum(map(len, ear.heard)) == 960)

    assert b"".join(ear.heard) == b"".join(packets)
    assert all(len(frames) % 160 == 0 for frames in ear.heard)


async def test_what_is_sent_arrives_whole_and_in_small_messages(open_socket):
    """Asterisk gives up on a message that comes in many pieces."""
    got: list[bytes] = []
    ear_done = asyncio.Event()
    speech = bytes(range(256)) * 250  # 64000 bytes: 100 frames at 16 kHz

    async def play(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                got.append(message.data)
                if sum(map(len, got)) == len(speech):
                    ear_done.set()
            elif "HANGUP" in message.data:
                return

    socket, _ = await open_socket(play, SLIN_16K)
    await socket.send(speech)
    await asyncio.wait_for(ear_done.wait(), 3)

    assert b"".join(got) == speech
    assert all(len(message) <= MAX_SEND_BYTES and len(message) % 640 == 0 for message in got)


async def test_torn_frames_are_our_mistake(open_socket):
    """Asterisk would drop the rest without a word."""
    socket, _ = await open_socket(hang_up_on_command)
    with pytest.raises(ValueError, match="whole frames"):
        await socket.send(FRAME[:-1])


async def test_marks_digits_and_flow_are_told(open_socket):
    """Each as the port names it; what can't be read is skipped."""

    async def play(socket: web.WebSocketResponse) -> None:
        message = json.loads((await socket.receive()).data)
        await socket.send_str("garbage")
        await socket.send_str(event("MEDIA_MARK_PROCESSED", correlation_id=message["correlation_id"]))
        await socket.send_str(event("MEDIA_XOFF"))
        await socket.send_str(event("DTMF_END", digit="7"))
        await hang_up_on_command(socket)

    socket, ear = await open_socket(play)
    await socket.mark("m-1")
    await ear.until(lambda: len(ear.told) == 3)

    assert ear.told == [("mark", "m-1"), ("paused", True), ("digit", "7")]


async def test_a_flush_returns_when_it_is_confirmed(open_socket):
    """And its commands come in the order that makes Asterisk answer."""
    commands: list[str] = []

    async def play(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            commands.append(json.loads(message.data)["command"])
            if commands[-1] == "CONTINUE_MEDIA":
                await socket.send_str(event("QUEUE_DRAINED"))
            if commands[-1] == "HANGUP":
                return

    socket, _ = await open_socket(play, flush_timeout_s=30.0)
    await asyncio.wait_for(socket.flush(), 3)

    assert commands == ["REPORT_QUEUE_DRAINED", "FLUSH_MEDIA", "CONTINUE_MEDIA"]


async def test_a_flush_that_nobody_confirms_ends_in_time(open_socket):
    """The channel stays of use, and its marks are free again."""
    socket, ear = await open_socket(hang_up_on_command, flush_timeout_s=0.05)
    await socket.mark("m")
    await asyncio.wait_for(socket.flush(), 3)
    await socket.mark("m")
    await socket.send(FRAME)

    assert ear.told == []


async def test_a_channel_that_is_cut_is_lost_once(open_socket):
    """Nobody closed it here."""
    cut = asyncio.Event()

    async def play(socket: web.WebSocketResponse) -> None:
        await cut.wait()
        assert socket._req is not None and socket._req.transport is not None
        socket._req.transport.abort()

    socket, ear = await open_socket(play)
    cut.set()
    await ear.until(lambda: bool(ear.told))

    assert [what for what, _ in ear.told] == ["lost"]
    for use in (socket.send(FRAME), socket.mark("x"), socket.flush()):
        with pytest.raises(UpstreamError, match="gone"):
            await use
    await socket.close()


async def test_a_channel_that_the_pbx_closes_cleanly_is_lost_too(open_socket):
    """A close frame is no excuse."""

    async def play(socket: web.WebSocketResponse) -> None:
        await socket.close(code=1000)

    _, ear = await open_socket(play)
    await ear.until(lambda: bool(ear.told))

    assert ear.told == [("lost", "the PBX closed the channel")]


async def test_our_own_close_is_no_loss_and_can_be_repeated(open_socket):
    """The PBX is told to hang up and closes the socket."""
    socket, ear = await open_socket(hang_up_on_command)
    await socket.close()
    await socket.close()

    assert ear.told == []


async def test_a_flush_that_waits_ends_with_the_channel(open_socket):
    """It does not wait for its time-out."""

    async def play(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.close()

    socket, _ = await open_socket(play, flush_timeout_s=60.0)
    await asyncio.wait_for(socket.flush(), 3)


async def test_a_sink_that_fails_loses_its_channel_and_nothing_else(open_socket):
    """The reason is told, the loop goes on."""

    async def play(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(FRAME)
        await hang_up_on_command(socket)

    _, ear = await open_socket(play, ear=FailingEar())
    await ear.until(lambda: bool(ear.told))

    assert ear.told == [("lost", "the sink failed: no")]


async def test_an_unknown_connection_is_refused():
    """Asterisk answers 404; nobody is told of a loss, as there was nothing to lose."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/media/{id}", serve)
    server = TestServer(app)
    await server.start_server()
    ear = Ear()
    socket = MediaSocket(LegId("tl-m"), ULAW_8K, ear, flush_timeout_s=1.0)
    with pytest.raises(UpstreamError, match="404"):
        await socket.connect(URL(str(server.make_url("/media/unknown"))))
    await server.close()

    assert ear.told == []
