"""`Idempotency-Key`: a repeated POST gets the first answer again and does nothing twice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from trunkline.api.answers import json_response
from trunkline.api.errors import KeyReused, error_body
from trunkline.api.services import IdempotencyStore
from trunkline.core.clock import Clock
from trunkline.core.errors import CallerError, Conflict, InternalError, InvalidField, TrunklineError
from trunkline.core.ids import OrganizationId
from trunkline.store.rows import IdempotencyRow

_KEY: Final = re.compile(r"[!-~]{1,255}")


def claim_of(
    request: web.Request, organization_id: OrganizationId, endpoint: str, body: Any, clock: Clock
) -> IdempotencyRow | None:
    """The claim that a request makes, or None where it carries no key.

    The body counts by its value: neither spaces nor the order of fields make it another one.

    Raises:
        InvalidField: the key is empty, too long or not printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidField(
            "Idempotency-Key", "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces."
        )
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return IdempotencyRow(organization_id, endpoint, key, hashlib.sha256(canonical).hexdigest(), clock.now())


def replay(first: IdempotencyRow, again: IdempotencyRow) -> web.Response:
    """The first answer, for a request that repeats it.

    Raises:
        KeyReused: 422, the body is another one.
        Conflict: 409, the first still runs.
    """
    if first.body_sha256 != again.body_sha256:
        raise KeyReused("This Idempotency-Key was used with another body. Take a new key for a new request.")
    if first.status is None or first.body is None:
        raise Conflict(
            "The first request with this Idempotency-Key is still running. Try again in a moment.",
            code="idempotency_key_in_use",
        )
    headers = {"Idempotent-Replayed": "true"}
    return web.Response(
        text=first.body, status=first.status, headers=headers, content_type="application/json"
    )


async def once(
    store: IdempotencyStore, claim: IdempotencyRow, act: Callable[[], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Runs `act` unless its claim was made before. What was refused without a change isn't kept."""
    first = await store.claim(claim)
    if first is not None:
        return replay(first, claim)
    try:
        response = await act()
    except CallerError:
        await store.release(claim)
        raise
    except Exception as error:
        await _finish(store, claim, _failure(error))
        raise
    if isinstance(response, web.Response):
        await _finish(store, claim, response)
    return response


def _failure(error: Exception) -> web.Response:
    """A failure after the point of no return is an answer like any other: a repeat must not try again."""
    known = error if isinstance(error, TrunklineError) else InternalError("unexpected")
    return json_response(error_body(known), known.status)


async def _finish(store: IdempotencyStore, claim: IdempotencyRow, response: web.Response) -> None:
    await store.finish(claim, status=response.status, body=response.text or "")
