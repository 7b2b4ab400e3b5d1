"""Where a request came from, and what that allows."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from trunkline.api.auth import Authentication, bearer_token
from trunkline.api.gate import Gate
from trunkline.core.clock import ManualClock
from trunkline.settings import Api
from trunkline.store.rows import ApiKeyRow

PROXY = "10.0.0.1"


class NoKeys:
    async def find_by_sha256(self, sha256: str) -> ApiKeyRow | None:
        return None

    async def touch(self, key_id: str) -> None:
        raise AssertionError("no key can be touched")


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (PROXY, None, PROXY),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        (PROXY, f"198.51.100.1, {PROXY}", "198.51.100.1"),
        (PROXY, "", PROXY),
    ],
)
def test_only_proxies_of_ours_are_believed(remote: str, forwarded: str | None, address: str) -> None:
    """A client that writes its own X-Forwarded-For stays who it is."""
    gate = Gate(Authentication(NoKeys(), ManualClock()), Api(), ManualClock(), (PROXY,))
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)

    assert gate.address(request) == address


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        ("Bearer", None),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
        (None, None),
        ("Bearer " + "x" * 257, None),
    ],
)
def test_the_token_of_a_header(header: str | None, token: str | None) -> None:
    """The scheme in any case, one token, no novel."""
    assert bearer_token(header) == token


async def test_a_key_is_looked_up_once_in_five_seconds() -> None:
    """And noted as used once a minute."""
    clock = ManualClock()
    asked, touched = [], []

    class Keys:
        async def find_by_sha256(self, sha256: str) -> ApiKeyRow | None:
            asked.append(sha256)
            last = clock.now() if touched else None
            return ApiKeyRow("k", "o", "n", "tl_", sha256, clock.now(), last)  # type: ignore[arg-type]

        async def touch(self, key_id: str) -> None:
            touched.append(key_id)

    authentication = Authentication(Keys(), clock)
    for _ in range(10):
        await authentication.authenticate("Bearer x")
        clock.advance(1.0)

    assert (len(asked), len(touched)) == (2, 1)
