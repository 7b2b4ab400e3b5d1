"""The way in: whose key, and whether its limits allow one more request. Nothing with a side effect happens before."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from aiohttp import web

from trunkline.api.auth import Authentication
from trunkline.api.errors import InvalidApiKey
from trunkline.api.operation import Operation
from trunkline.api.rate_limits import Quota, RateLimit
from trunkline.core.clock import Clock
from trunkline.core.errors import LimitReached
from trunkline.core.ids import OrganizationId
from trunkline.settings import Api

QUOTA = web.RequestKey("quota", Quota)
NOBODY = OrganizationId("")


class Gate:
    """Admits requests, one by one."""

    def __init__(
        self, authentication: Authentication, limits: Api, clock: Clock, trusted_proxies: tuple[str, ...]
    ) -> None:
        self._authentication = authentication
        self._clock = clock
        self._trusted_proxies = frozenset(trusted_proxies)
        self._keys = RateLimit(limits.requests_per_minute)
        self._calls = RateLimit(limits.controls_per_minute)
        self._addresses = RateLimit(limits.unauthenticated_per_minute)

    async def admit(self, request: web.Request, operation: Operation[Any, Any]) -> OrganizationId:
        """Whose request it is; its quota is left on the request for the answer's headers.

        Raises:
            InvalidApiKey: 401; counted against the address it came from.
            LimitReached: 429.
        """
        if operation.public or (operation.local and self._is_local(request)):
            return NOBODY
        try:
            key = await self._authentication.authenticate(request.headers.get("Authorization"))
        except InvalidApiKey:
            self.admit_stranger(request)
            raise
        self._spend(request, self._keys, key.id)
        if operation.limited_by_call:
            self._spend(request, self._calls, f"{key.organization_id} {request.match_info['id']}")
        return key.organization_id

    def admit_stranger(self, request: web.Request) -> None:
        """Counts a request that no key vouches for.

        Raises:
            LimitReached: 429.
        """
        self._spend(request, self._addresses, self.address(request))

    def quota(self, request: web.Request) -> Quota:
        """What the answer's headers tell: the last limit that was counted, else that of the address."""
        return request.get(QUOTA) or self._addresses.look(self.address(request), self._clock.monotonic())

    def quota_headers(self, request: web.Request) -> dict[str, str]:
        """The three rate-limit headers of this request's answer."""
        return self.quota(request).headers(self._clock.now().timestamp())

    def address(self, request: web.Request) -> str:
        """Where the request came from: the last hop that isn't a proxy of ours."""
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
        here = request.remote or "unknown"
        while here in self._trusted_proxies and hops and hops[-1]:
            here = hops.pop()
        return here

    def _is_local(self, request: web.Request) -> bool:
        """From the machine itself, and not through a proxy on it."""
        direct = "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers
        return direct and _is_loopback(request.remote)

    def _spend(self, request: web.Request, limit: RateLimit, sender: str) -> None:
        request[QUOTA] = quota = limit.spend(sender, self._clock.monotonic())
        if not quota.allowed:
            message = f"At most {quota.limit} requests a minute are taken here. Try again in {quota.retry_after_s} s."
            raise LimitReached(message, retry_after_s=quota.retry_after_s)


def _is_loopback(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False
