"""The REST API as the commands use it: what any client of ours could write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from trunkline.cli.exits import CliError, Exit
from trunkline.cli.sse import SseParser

Json = dict[str, Any]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=5)
_STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=5, sock_read=60)
_RECONNECTS: Final = 5
_RECONNECT_PAUSE_S: Final = 0.5


class RefusedError(CliError):
    """The service answered with an error.

    Attributes:
        status: the HTTP status.
        body: the error as the service told it.
    """

    def __init__(self, status: int, body: Json) -> None:
        message = body.get("message") or body.get("error") or "no reason given"
        advice = (
            " Name a key with --key or TRUNKLINE_API_KEY; `trunkline keys create` makes one."
            if status == HTTPStatus.UNAUTHORIZED
            else ""
        )
        super().__init__(f"{message} (HTTP {status}){advice}")
        self.status = status
        self.body = body


class ApiClient:
    """One service, one key. Use it as an async context manager."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str | int | None) -> Json:
        """A JSON document.

        Raises:
            RefusedError: the service answered an error.
            CliError: the service could not be reached.
        """
        return await self._json(
            "GET", path, params={name: str(value) for name, value in query.items() if value is not None}
        )

    async def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Creates or acts; raises as `get` does. Never sent twice."""
        return await self._json("POST", path, json=body)

    async def delete(self, path: str) -> Json:
        """Removes; raises as `get` does."""
        return await self._json("DELETE", path)

    async def download(self, path: str, target: Path) -> None:
        """Streams an answer's body into a file."""
        try:
            async with self._session.get(self._base_url + path, timeout=_STREAM_TIMEOUT) as response:
                if response.status != HTTPStatus.OK:
                    raise RefusedError(response.status, await _body(response))
                with target.open("wb") as file:
                    async for block in response.content.iter_chunked(65536):
                        file.write(block)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def follow(self, call_id: str) -> AsyncIterator[Json]:
        """A call's events as `{seq, at, type, data}`, from its first to `ended`; a lost stream goes on where it stopped."""
        parser = SseParser()
        lost = 0
        while True:
            try:
                async for event in self._stream(call_id, parser):
                    lost = 0
                    yield event
                    if event["type"] == "ended":
                        return
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                if lost >= _RECONNECTS:
                    raise self._unreachable(error) from error
            lost += 1
            if lost > _RECONNECTS:
                raise CliError(f"The events of {call_id} stopped before its end.", Exit.UNREACHABLE)
            await asyncio.sleep(_RECONNECT_PAUSE_S * lost)

    async def _stream(self, call_id: str, parser: SseParser) -> AsyncIterator[Json]:
        headers = {"Accept": "text/event-stream"} | (
            {"Last-Event-ID": parser.last_id} if parser.last_id else {}
        )
        url = f"{self._base_url}/calls/{quote(call_id, safe='')}/events"
        async with self._session.get(url, headers=headers, timeout=_STREAM_TIMEOUT) as response:
            if response.status != HTTPStatus.OK:
                raise RefusedError(response.status, await _body(response))
            async for raw in response.content:
                event = parser.feed(raw.decode("utf-8").rstrip("\r\n"))
                if event is not None:
                    yield json.loads(event.data)

    async def _json(self, method: str, path: str, **options: Any) -> Json:
        try:
            async with self._session.request(method, self._base_url + path, **options) as response:
                body = await _body(response)
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise RefusedError(response.status, body)
                return body
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> CliError:
        reason = str(error) or type(error).__name__
        return CliError(
            f"No answer from {self._base_url} ({reason}). Start the service with `trunkline serve`, or name another address "
            "with --url or TRUNKLINE_URL.",
            Exit.UNREACHABLE,
        )


async def _body(response: aiohttp.ClientResponse) -> Json:
    text = await response.text()
    try:
        body = json.loads(text)
    except ValueError:
        return {"error": text[:200] or response.reason or ""}
    return body if isinstance(body, dict) else {"value": body}
