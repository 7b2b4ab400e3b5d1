"""A look at ARI with nothing between: plain requests, and the media socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from trunkline.settings import PbxSection

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10, connect=3)


class AriRefusedError(Exception):
    """ARI answered an error.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status} {text[:120]}")
        self.status = status


class AriProbe:
    """A few requests to one Asterisk.

    Attributes:
        date: the PBX's clock at its last answer, in Unix seconds; None where it told none.
    """

    def __init__(self, session: aiohttp.ClientSession, settings: PbxSection) -> None:
        self._session = session
        self.url = settings.ari_url.rstrip("/")
        self.date: float | None = None

    async def get(self, path: str) -> Any:
        """The JSON at `/ari` + path; raises `AriRefusedError` or `aiohttp.ClientError`."""
        return await self._request("GET", path)

    async def post(self, path: str, **query: str) -> Any:
        """Acts; raises as `get` does."""
        return await self._request("POST", path, **query)

    async def delete(self, path: str) -> None:
        """Removes; a thing that is gone already is no error."""
        try:
            await self._request("DELETE", path)
        except AriRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    async def _request(self, method: str, path: str, **query: str) -> Any:
        async with self._session.request(method, f"{self.url}/ari{path}", params=query) as answer:
            text = await answer.text()
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise AriRefusedError(answer.status, text)
            if "Date" in answer.headers:
                self.date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            return json.loads(text) if text else None

    @asynccontextmanager
    async def events(self, app: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Registers a Stasis application for as long as the block runs."""
        async with self._session.ws_connect(
            f"{self.url}/ari/events", params={"app": app}, compress=0
        ) as socket:
            yield socket

    @asynccontextmanager
    async def media(self, connection_id: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Opens a media socket."""
        async with self._session.ws_connect(
            f"{self.url}/media/{connection_id}", protocols=("media",), compress=0
        ) as socket:
            yield socket


@asynccontextmanager
async def ari_probe(settings: PbxSection) -> AsyncIterator[AriProbe]:
    """A probe with a session of its own."""
    headers = {
        "Authorization": aiohttp.encode_basic_auth(
            settings.ari_username, settings.ari_password.get_secret_value()
        )
    }
    async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT) as session:
        yield AriProbe(session, settings)
