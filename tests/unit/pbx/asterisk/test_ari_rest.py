"""Requests to Asterisk, against a small HTTP server on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from trunkline.pbx.asterisk.ari_rest import AriError, AriRest, PbxUnreachable, segment

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serving() -> AsyncIterator[Callable[[Serve], Awaitable[AriRest]]]:
    opened: list[AriRest | TestServer] = []

    async def serve(answer: Serve) -> AriRest:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app)
        await server.start_server()
        rest = AriRest(str(server.make_url("")), "user", "pässword")
        opened.extend((rest, server))
        return rest

    yield serve
    for each in opened:
        await each.close()


async def test_an_answer_is_decoded_json(serving):
    """And an empty one is None."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response([1]) if request.method == "GET" else web.Response(status=204)

    rest = await serving(answer)

    assert await rest.get("/channels") == [1]
    assert await rest.post("/bridges/x") is None


async def test_query_body_and_credentials_arrive_as_meant(serving):
    """Values are quoted: a `+`, a `&` or a `/` stays what it is."""
    seen = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(query=dict(request.query), body=await request.json(), path=request.raw_path.split("?")[0])
        seen["auth"] = request.headers["Authorization"]
        return web.json_response({})

    rest = await serving(answer)
    await rest.post(
        f"/channels/{segment('a/b c')}", endpoint="PJSIP/+31@x&y", timeout=5, body={"variables": {"A": "ü"}}
    )

    assert seen["query"] == {"endpoint": "PJSIP/+31@x&y", "timeout": "5"}
    assert seen["body"] == {"variables": {"A": "ü"}}
    assert seen["path"] == "/ari/channels/a%2Fb%20c"
    assert seen["auth"].startswith("Basic ")


async def test_a_refusal_tells_its_status_and_reason(serving):
    """The status is looked at before the body."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"message": "Bridge not found"}, status=404)

    rest = await serving(answer)
    with pytest.raises(AriError, match="404 Bridge not found") as caught:
        await rest.post("/bridges/x/addChannel")

    assert caught.value.http_status == 404
    assert not caught.value.retryable


async def test_a_refusal_that_is_no_json_is_still_a_refusal(serving):
    """A proxy's error page, for example."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>bad gateway</html>")

    with pytest.raises(AriError, match="502"):
        await (await serving(answer)).get("/channels")


async def test_deleting_what_is_gone_is_no_error(serving):
    """Any other refusal is."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=404 if "gone" in request.path else 409)

    rest = await serving(answer)

    assert not await rest.delete("/channels/gone")
    with pytest.raises(AriError):
        await rest.delete("/channels/busy")


async def test_a_redirect_is_not_followed(serving):
    """Our credentials go to the PBX and nowhere else."""

    async def answer(request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    with pytest.raises(AriError, match="302"):
        await (await serving(answer)).get("/channels")


async def test_an_answer_that_makes_no_sense_is_unknown(serving):
    """The request may well have been carried out."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    with pytest.raises(PbxUnreachable) as caught:
        await (await serving(answer)).post("/channels")

    assert not caught.value.retryable


async def test_a_lost_answer_is_never_retryable_and_the_request_not_repeated(serving):
    """The connection is cut after the request was read."""
    count = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    with pytest.raises(PbxUnreachable) as caught:
        await (await serving(answer)).post("/channels/create")

    assert not caught.value.retryable
    assert count == 1


async def test_nobody_there_is_retryable():
    """Nothing can have arrived."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        rest = AriRest(f"http://127.0.0.1:{taken.getsockname()[1]}", "user", "password")
        with pytest.raises(PbxUnreachable) as caught:
            await rest.get("/asterisk/info")
        await rest.close()

    assert caught.value.retryable


async def test_the_password_is_in_no_error(serving):
    """Nor in the object's own text."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=401, text="who are you?")

    rest = await serving(answer)
    with pytest.raises(AriError) as caught:
        await rest.get("/channels")

    assert "pässword" not in f"{caught.value!r} {rest!r} {rest.url('/x')}"


async def test_two_requests_share_a_connection(serving):
    """Opening one costs more than the request."""
    peers = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        await asyncio.sleep(0)
        return web.Response(status=204)

    rest = await serving(answer)
    for _ in range(3):
        await rest.post("/bridges/x")

    assert len(peers) == 1
