"""The outermost layer: a request id, one flat error shape whatever went wrong, headers on every answer, one log line."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trunkline.api.answers import json_response
from trunkline.api.errors import error_body, error_headers, http_error_body
from trunkline.api.gate import Gate
from trunkline.core.errors import CallerError, InternalError, TrunklineError

log = structlog.get_logger()

REQUEST_ID = web.RequestKey("request_id", str)
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECURITY: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def edge(gate: Gate) -> Middleware:
    """The middleware that turns every outcome into an answer."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_ID] = _request_id(request)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
            response = await _answer(request, handler, gate)
            log.debug(
                "request answered",
                method=request.method,
                route=_route(request),
                status=response.status,
                ms=_ms_since(started),
            )
        return response

    return middleware


def stamp(gate: Gate) -> Any:
    """The signal that puts our headers on every answer, streams and files included."""

    async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Request-Id"] = request.get(REQUEST_ID) or _request_id(request)
        response.headers["Server"] = "Trunkline"
        response.headers.update(gate.quota_headers(request))
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)

    return on_prepare


async def _answer(request: web.Request, handler: Handler, gate: Gate) -> web.StreamResponse:
    try:
        if request.match_info.http_exception is not None:
            return _no_such_route(request, request.match_info.http_exception, gate)
        return await handler(request)
    except TrunklineError as error:
        if error.status >= web.HTTPInternalServerError.status_code:
            # A service that is stopping or without its PBX says so on purpose; only what nobody foresaw needs a trace.
            is_foreseen = isinstance(error, CallerError)
            log.warning("request failed", route=_route(request), code=error.code, exc_info=not is_foreseen)
        return json_response(error_body(error), error.status, error_headers(error))
    except web.HTTPException as error:
        return json_response(http_error_body(error), error.status)
    except Exception:
        log.exception("request failed", route=_route(request))
        return json_response(error_body(InternalError("unexpected")), 500)


def _no_such_route(request: web.Request, error: web.HTTPException, gate: Gate) -> web.Response:
    """404, 405 with `Allow`, or the answer to OPTIONS; counted for the address, since no key was asked for."""
    gate.admit_stranger(request)
    allow = (
        {"Allow": ", ".join(sorted({*error.allowed_methods, "OPTIONS"}))}
        if isinstance(error, web.HTTPMethodNotAllowed)
        else {}
    )
    if allow and request.method == "OPTIONS":
        return web.Response(status=204, headers=allow)
    return json_response(http_error_body(error), error.status, allow)


def _request_id(request: web.Request) -> str:
    """The client's own id where it is harmless, else a new one."""
    sent = request.headers.get("X-Request-Id", "")
    return sent if _CLIENT_ID.fullmatch(sent) else secrets.token_hex(8)


def _route(request: web.Request) -> str:
    """The path's template: the path itself may hold a phone number."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
