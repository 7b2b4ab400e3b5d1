"""`GET /calls/{id}/events`: what a call tells, live, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, get_args

from aiohttp import web
from pydantic import Field

from trunkline.api.operation import Ask, Operation
from trunkline.api.render_call import Shape
from trunkline.core.clock import iso_utc
from trunkline.core.events import CallEvent, CallEventType

_HEARTBEAT_S: Final = 15.0  # below the 30 s after which proxies drop a silent stream
_WRITE_TIMEOUT_S: Final = 10.0  # a reader that takes nothing for so long is gone
_HEADERS: Final = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}

STREAMS: Final[web.AppKey[set[asyncio.Task[Any]]]] = web.AppKey("streams")
"""Requests that are streams now, so that stopping the service needn't wait for their calls."""


class StreamedEvent(Shape):
    """One server-sent event."""

    id: str = Field(
        description="Its place in the call, from 1 without gaps; send the last one as `Last-Event-ID` to resume."
    )
    event: str = Field(
        description="What happened.", json_schema_extra={"enum": list(get_args(CallEventType))}
    )
    data: str = Field(description="JSON: `{call_id, seq, at, type, data}`.")


async def follow_call(ask: Ask[None, None]) -> web.StreamResponse:
    """Streams the call's events from `Last-Event-ID` on, up to `ended`."""
    call = await ask.services.calls.get(ask.organization_id, ask.id)
    events = ask.services.calls.follow(call.id, _last_seen(ask.http))
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(ask.http)
    if ask.http.method == "HEAD":
        return response
    with _stoppable(ask.http), contextlib.suppress(ConnectionError, TimeoutError):
        await _write_events(response, events)
    return response


def as_sse(event: CallEvent) -> bytes:
    """One event as the wire has it: its `seq` is the id to resume from."""
    data = {
        "call_id": event.call_id,
        "seq": event.seq,
        "at": iso_utc(event.at),
        "type": event.type,
        "data": event.data,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.type}\ndata: {text}\n\n".encode()


def _last_seen(request: web.Request) -> int:
    sent = request.headers.get("Last-Event-ID", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0


async def _write_events(response: web.StreamResponse, events: AsyncIterator[CallEvent]) -> None:
    await _write(response, b"retry: 1000\n\n")
    async for event in _with_heartbeats(events):
        await _write(response, b": still here\n\n" if event is None else as_sse(event))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_WRITE_TIMEOUT_S):
        await response.write(data)


async def _with_heartbeats(events: AsyncIterator[CallEvent]) -> AsyncIterator[CallEvent | None]:
    """The events, and None wherever none came for a while."""
    pending = asyncio.create_task(_next(events), name="call-events")
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=_HEARTBEAT_S)
            if not done:
                yield None
                continue
            event = pending.result()
            if event is None:
                return
            yield event
            pending = asyncio.create_task(_next(events), name="call-events")
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)


async def _next(events: AsyncIterator[CallEvent]) -> CallEvent | None:
    return await anext(events, None)


@contextlib.contextmanager
def _stoppable(request: web.Request) -> Iterator[None]:
    streams = request.config_dict[STREAMS]
    task = asyncio.current_task()
    assert task is not None  # a handler always runs in a task
    streams.add(task)
    try:
        yield
    finally:
        streams.discard(task)


async def stop_streams(app: web.Application) -> None:
    """Ends every stream; their readers come back with `Last-Event-ID`."""
    streams = app[STREAMS]
    for task in tuple(streams):
        task.cancel()


OPERATIONS: Final[tuple[Operation[Any, Any], ...]] = (
    Operation(
        "GET",
        "/calls/{id}/events",
        "followCall",
        "Calls",
        "Follow a call live",
        follow_call,
        description="Server-sent events: ringing, transcript, turns, barge-in, control, transfer, ended. What the call already told "
        "comes first; `Last-Event-ID` resumes. The stream ends after `ended`.",
        answer=StreamedEvent,
        content="text/event-stream",
    ),
)
