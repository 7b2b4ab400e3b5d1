"""Who is asking: API keys, known to us by their SHA-256 alone."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import timedelta
from typing import Final

from trunkline.api.errors import InvalidApiKey
from trunkline.api.services import KeyStore
from trunkline.core.clock import Clock
from trunkline.store.rows import ApiKeyRow

_BELIEVED_FOR_S: Final = (
    5.0  # how long a revoked key may still work in another process than the one that revoked it
)
_MOST_REMEMBERED: Final = 1000
_TOUCH_EVERY: Final = timedelta(minutes=1)
_LONGEST_KEY: Final = 256


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer <token>` header, or None where it is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= _LONGEST_KEY else None


class Authentication:
    """Finds the key behind a request; one look-up serves a key's requests for five seconds."""

    def __init__(self, keys: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, ApiKeyRow]] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> ApiKeyRow:
        """The live key of this header.

        Looked up by hash, so its value is never compared and timing tells nothing of it.

        Raises:
            InvalidApiKey: missing, malformed, unknown or revoked; the answer doesn't tell which.
        """
        token = bearer_token(authorization)
        key = await self._find(token) if token else None
        if key is None or key.revoked_at is not None:
            raise InvalidApiKey("Send a valid API key as `Authorization: Bearer <api key>`.")
        return key

    async def _find(self, token: str) -> ApiKeyRow | None:
        sha256 = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        believed_until, key = self._known.get(sha256, (0.0, None))
        if key is not None and self._clock.monotonic() < believed_until:
            return key
        key = await self._keys.find_by_sha256(sha256)
        if key is None:
            self._known.pop(sha256, None)
            return None
        await self._touch(key)
        self._remember(sha256, key)
        return key

    async def _touch(self, key: ApiKeyRow) -> None:
        """Keeps `last_used_at` right to a minute: one write a minute, not one a request."""
        if key.last_used_at is None or self._clock.now() - key.last_used_at > _TOUCH_EVERY:
            await self._keys.touch(key.id)

    def _remember(self, sha256: str, key: ApiKeyRow) -> None:
        self._known[sha256] = (self._clock.monotonic() + _BELIEVED_FOR_S, key)
        self._known.move_to_end(sha256)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
