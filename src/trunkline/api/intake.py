"""From bytes of a request to plain JSON values, or the right refusal. Strict where leniency would corrupt a record."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from aiohttp import web

from trunkline.api.errors import NotJson, TooLarge, TooSlow
from trunkline.core.errors import CallerError, InvalidField

_BODY_TIMEOUT_S: Final = 15.0  # a client that trickles its body holds a handler no longer than this
_DEEPEST: Final = 64  # levels of nesting; protects every recursive reader behind
_UTF8: Final = frozenset({"utf-8", "utf8"})


async def read_json(request: web.Request) -> Any:
    """The body's JSON value.

    Raises:
        NotJson: 415, another type or charset.
        TooLarge: 413.
        TooSlow: 408.
        CallerError: 400, not UTF-8, not JSON.
    """
    _require_json(request)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError:
        raise TooSlow("The request body did not arrive in time.") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge(f"The request body is larger than {request.client_max_size} bytes.") from None
    return parse_json(raw)


def _require_json(request: web.Request) -> None:
    if request.content_length and request.content_length > request.client_max_size:
        raise TooLarge(f"The request body is larger than {request.client_max_size} bytes.")
    if request.content_type != "application/json":
        raise NotJson("Send the body as application/json in UTF-8.")
    if (request.charset or "utf-8").lower() not in _UTF8:
        raise NotJson("Send the body in UTF-8.")


def parse_json(raw: bytes) -> Any:
    """JSON in UTF-8, as RFC 8259 has it: no NaN or infinity, no number beyond a double, no half of a surrogate pair.

    Raises:
        CallerError: 400 with code `invalid_json`.
    """
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        if raw.count(b"[") + raw.count(b"{") > _DEEPEST:
            _refuse_depth(value)
        if b"\\u" in raw:  # an escaped lone surrogate is legal JSON but no text that can be stored or sent on
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise CallerError(
            "The body is not valid UTF-8 text.", title="Invalid JSON", code="invalid_json"
        ) from None
    except (ValueError, RecursionError) as error:
        raise CallerError(
            f"The body is not valid JSON: {_reason(error)}.", title="Invalid JSON", code="invalid_json"
        ) from None
    return value


def parse_query(raw: str) -> dict[str, str]:
    """Query parameters. `+` stays a plus, as in the offset of `2026-01-01T00:00:00+02:00`.

    Raises:
        InvalidField: a parameter comes twice or isn't UTF-8.
    """
    found: dict[str, str] = {}
    for pair in filter(None, raw.split("&")):
        name, _, value = pair.partition("=")
        try:
            name, value = unquote(name, errors="strict"), unquote(value, errors="strict")
        except UnicodeError:
            raise InvalidField("query", "The query is not valid percent-encoded UTF-8.") from None
        if name in found:
            raise InvalidField(name, f"{name} must be given once.")
        found[name] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_depth(value: Any) -> None:
    """Walks level by level, so that the check itself can't run out of stack; what comes after may recurse."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return
    raise RecursionError


def _members(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
