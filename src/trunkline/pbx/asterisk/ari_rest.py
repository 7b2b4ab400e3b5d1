"""Asterisk's REST interface: one pooled HTTP session, a time limit on everything, typed failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp
from yarl import URL

from trunkline.core.errors import UpstreamError

_POOL: Final = 20
"""Asterisk counts kept-alive connections against its session limit (100 by default)."""
_KEEP_ALIVE_S: Final = 10.0
"""Below Asterisk's own 15 s, so that it is we who close: a request on a connection that Asterisk just closed gets lost."""
_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 2.0
_MAX_REASON_CHARS: Final = 200
_NOT_FOUND: Final = 404

Method = Literal["GET", "POST", "PUT", "DELETE"]
Query = Mapping[str, str | int]


class AriError(UpstreamError):
    """Asterisk answered, and refused. `http_status` is what it said."""

    def __init__(self, message: str, *, http_status: int) -> None:
        super().__init__(message, code="pbx_refused")
        self.http_status = http_status


class PbxUnreachable(UpstreamError):
    """Asterisk did not answer. `retryable` is true only where the request can't have reached it."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message, retryable=retryable, code="pbx_unreachable")


def segment(value: str) -> str:
    """A value made fit for one segment of a path."""
    return quote(value, safe="")


class AriRest:
    """Requests to `<base>/ari`. Credentials go into one header and nowhere else."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """The one session; made on first use, as it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=_KEEP_ALIVE_S),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def url(self, path: str, query: Query | None = None) -> URL:
        """A path below the HTTP server's root; segments must already be quoted."""
        url = URL(self._base + path, encoded=True)
        return url.with_query(query) if query else url

    async def close(self) -> None:
        """Closes every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str, **query: str | int) -> Any:
        """The JSON answer of a GET."""
        return await self.request("GET", path, query)

    async def post(self, path: str, *, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        """The JSON answer of a POST; None where there is no body."""
        return await self.request("POST", path, query, body)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON answer of a PUT."""
        return await self.request("PUT", path, body=body)

    async def delete(self, path: str, **query: str | int) -> bool:
        """Deletes; False where it was gone already."""
        try:
            await self.request("DELETE", path, query)
        except AriError as error:
            if error.http_status != _NOT_FOUND:
                raise
            return False
        return True

    async def request(
        self, method: Method, path: str, query: Query | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """One request.

        Raises:
            AriError: answered with a status of 300 or more.
            PbxUnreachable: no answer.
        """
        try:
            # Asterisk answers with its own resources only; a redirect could only lead our credentials elsewhere.
            async with self.session().request(
                method, self.url("/ari" + path, query), json=body, allow_redirects=False
            ) as response:
                text = await response.text()
                status = response.status
        except aiohttp.ClientConnectorError as error:
            raise PbxUnreachable(f"The PBX can't be reached: {error.os_error}.", retryable=True) from error
        except (TimeoutError, aiohttp.ClientError, UnicodeDecodeError) as error:
            raise PbxUnreachable(
                f"The PBX did not answer: {type(error).__name__}.", retryable=False
            ) from error
        if status >= 300:
            raise AriError(
                f"The PBX refused {method} {path.split('?', maxsplit=1)[0]}: {status} {_reason(text)}",
                http_status=status,
            )
        return _decode(text)


def _decode(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise PbxUnreachable("The PBX answered with something that is not JSON.", retryable=False) from error


def _reason(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return text[:_MAX_REASON_CHARS]
    words = answer.get("message") or answer.get("error") if isinstance(answer, dict) else answer
    return str(words)[:_MAX_REASON_CHARS]
