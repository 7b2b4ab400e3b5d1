"""The client tells refused from unreachable, and follows a call over lost connections."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from trunkline.cli import client as client_module
from trunkline.cli.client import ApiClient, RefusedError
from trunkline.cli.exits import CliError, Exit

Serve = Callable[[web.RouteTableDef], Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(routes: web.RouteTableDef) -> str:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_key_and_query_reach_the_service(serve: Serve) -> None:
    """The key goes as a bearer token; options that were left out do not go at all."""
    routes = web.RouteTableDef()

    @routes.get("/calls")
    async def calls(request: web.Request) -> web.Response:
        return web.json_response({"key": request.headers["Authorization"], "query": dict(request.query)})

    async with ApiClient(await serve(routes), "tl_abc") as client:
        assert await client.get("/calls", limit=5, status=None) == {
            "key": "Bearer tl_abc",
            "query": {"limit": "5"},
        }


async def test_a_refusal_tells_the_service_s_own_words(serve: Serve) -> None:
    """The message, the status and, without a valid key, what to do."""
    routes = web.RouteTableDef()

    @routes.post("/calls/outbound")
    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"error": "Invalid API key", "message": "The key is unknown."}, status=401)

    async with ApiClient(await serve(routes), "") as client:
        with pytest.raises(RefusedError, match="The key is unknown") as caught:
            await client.post("/calls/outbound", {})

    assert caught.value.status == 401
    assert "TRUNKLINE_API_KEY" in str(caught.value)


async def test_an_answer_that_is_no_json_is_told_too(serve: Serve) -> None:
    """A proxy's error page does not become a traceback."""
    routes = web.RouteTableDef()

    @routes.get("/calls")
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="Bad gateway", status=502)

    async with ApiClient(await serve(routes), "") as client:
        with pytest.raises(RefusedError, match="Bad gateway"):
            await client.get("/calls")


async def test_nobody_there_is_unreachable(unused_tcp_port: int) -> None:
    """A service that is not running is told with what to do, and has its own exit code."""
    async with ApiClient(f"http://127.0.0.1:{unused_tcp_port}", "") as client:
        with pytest.raises(CliError, match="trunkline serve") as caught:
            await client.get("/calls")

    assert caught.value.code is Exit.UNREACHABLE


def told(seq: int, kind: str) -> bytes:
    return (
        f"id: {seq}\nevent: {kind}\ndata: {json.dumps({'seq': seq, 'type': kind, 'data': {}})}\n\n".encode()
    )


async def test_following_goes_on_where_a_lost_stream_stopped(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new connection repeats the last id; no event is missed or told twice; `ended` ends it."""
    monkeypatch.setattr(client_module, "_RECONNECT_PAUSE_S", 0.01)
    routes, asked = web.RouteTableDef(), []

    @routes.get("/calls/call-1/events")
    async def events(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Last-Event-ID"))
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        if len(asked) == 1:
            await stream.write(told(1, "ringing") + b": heartbeat\n\n" + told(2, "in-progress"))
            assert request.transport is not None
            request.transport.abort()
            return stream
        await stream.write(told(3, "ended"))
        return stream

    async with ApiClient(await serve(routes), "") as client:
        seen = [event["seq"] async for event in client.follow("call-1")]

    assert (seen, asked) == ([1, 2, 3], [None, "2"])


async def test_a_stream_that_never_ends_well_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that closes the stream again and again does not hold the command forever."""
    monkeypatch.setattr(client_module, "_RECONNECT_PAUSE_S", 0.001)
    routes = web.RouteTableDef()

    @routes.get("/calls/call-1/events")
    async def events(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        return stream

    async with ApiClient(await serve(routes), "") as client:
        with pytest.raises(CliError, match="stopped before its end"):
            _ = [event async for event in client.follow("call-1")]


async def test_downloads_are_streamed_into_a_file(serve: Serve, tmp_path: Path) -> None:
    """A recording arrives whole; a missing one leaves no file."""
    routes = web.RouteTableDef()

    @routes.get("/recording")
    async def recording(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(range(256)) * 1000)

    async with ApiClient(await serve(routes), "") as client:
        await client.download("/recording", tmp_path / "call.wav")
        with pytest.raises(RefusedError):
            await client.download("/nothing", tmp_path / "none.wav")

    assert (tmp_path / "call.wav").stat().st_size == 256_000
    assert not (tmp_path / "none.wav").exists()
