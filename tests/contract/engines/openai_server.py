"""A server that speaks OpenAI's chat protocol on loopback, with declared delays and faults.

What it answers is chosen by the requested model: each test declares its models. The wire format is the documented one: `data: {chunk}` events, an
empty line after each, `data: [DONE]` last.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "sk-test-very-secret-key"


@dataclass(frozen=True)
class Scripted:
    """How one model answers.

    Attributes:
        texts: pieces of the reply, in order.
        tool_calls: (id, name, arguments); arguments are sent in pieces of 5 characters.
        first_after_s: before the first byte, status line included.
        between_s: before each further piece.
        stall_after: pieces after which nothing more comes; the connection stays open.
        close_after: pieces after which the connection is cut.
        status: anything but 200 answers an error body.
        garbage_after: pieces after which a malformed event comes.
        refuses_temperature: answers 400 while the request has a temperature.
    """

    texts: tuple[str, ...] = ()
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    first_after_s: float = 0.0
    between_s: float = 0.0
    stall_after: int | None = None
    close_after: int | None = None
    status: int = 200
    retry_after_s: int | None = None
    garbage_after: int | None = None
    refuses_temperature: bool = False


@dataclass
class OpenAiServer:
    """The running server: where it is, what it was asked, how many streams are open."""

    base_url: str = ""
    models: dict[str, Scripted] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    open_streams: int = 0
    cut_streams: int = 0

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    async def _models(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport.get_extra_info("peername"))
        return web.json_response(
            {
                "object": "list",
                "data": [
                    {"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in self.models
                ],
            }
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport.get_extra_info("peername"))
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        script = self.models.get(body["model"])
        if script is None:
            return _error(404, "The model does not exist", "model_not_found")
        await asyncio.sleep(script.first_after_s)
        if script.status != 200:
            headers = {"Retry-After": str(script.retry_after_s)} if script.retry_after_s is not None else {}
            return _error(
                script.status, f"Wrong key {self.keys[-1]}, prompt {body['messages']}", "refused", headers
            )
        if script.refuses_temperature and "temperature" in body:
            return _error(400, "Unsupported value", "unsupported_value", param="temperature")
        return await self._stream(request, script)

    async def _stream(self, request: web.Request, script: Scripted) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.open_streams += 1
        try:
            for n, delta in enumerate(_deltas(script)):
                if n == script.stall_after:
                    await asyncio.sleep(60)
                if n == script.close_after:
                    request.transport.abort()
                    return response
                if n == script.garbage_after:
                    await response.write(b'data: {"choices": [{"delta"\n\n')
                if n:
                    await asyncio.sleep(script.between_s)
                await response.write(_event(delta))
            await response.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionError):
            self.cut_streams += 1
            raise
        finally:
            self.open_streams -= 1
        return response


def _deltas(script: Scripted) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        *({"content": text} for text in script.texts),
    ]
    for index, (call_id, name, arguments) in enumerate(script.tool_calls):
        deltas.append(
            {
                "tool_calls": [
                    {
                        "index": index,
                        "id": call_id,
                        "type": "function",
                        "function": {"name": name, "arguments": ""},
                    }
                ]
            }
        )
        pieces = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces]
    return deltas


def _event(delta: dict[str, Any]) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _error(
    status: int, message: str, code: str, headers: dict[str, str] | None = None, param: str | None = None
) -> web.Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
    return web.json_response(body, status=status, headers=headers)
