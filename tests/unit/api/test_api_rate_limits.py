"""Rate limits: exact in any minute, and honest about when to come back."""

from __future__ import annotations

import pytest

from trunkline.api import rate_limits
from trunkline.api.rate_limits import RateLimit


def test_the_limit_is_reached_exactly() -> None:
    """Exactly `limit` requests pass in a minute; the next one doesn't."""
    limit = RateLimit(3)

    allowed = [limit.spend("key", now).allowed for now in (0.0, 1.0, 2.0, 3.0)]

    assert allowed == [True, True, True, False]


def test_no_double_burst_where_two_minutes_meet() -> None:
    """A request leaves the window 60 s after it came, not when a clock's minute turns."""
    limit = RateLimit(2)
    limit.spend("key", 59.0)
    limit.spend("key", 59.5)

    assert not limit.spend("key", 61.0).allowed
    assert limit.spend("key", 119.0).allowed
    assert not limit.spend("key", 119.4).allowed


def test_waiting_for_the_reset_is_enough() -> None:
    """After `retry_after_s` the next request passes."""
    limit = RateLimit(1)
    limit.spend("key", 10.0)
    refused = limit.spend("key", 12.5)

    assert refused.retry_after_s == 58
    assert limit.spend("key", 12.5 + refused.retry_after_s).allowed


def test_refused_requests_are_not_counted() -> None:
    """A client that keeps asking is let in as early as one that waits."""
    limit = RateLimit(1)
    limit.spend("key", 0.0)
    for now in range(1, 60):
        assert not limit.spend("key", float(now)).allowed

    assert limit.spend("key", 60.0).allowed


def test_senders_are_apart() -> None:
    """One sender's flood takes nothing from another."""
    limit = RateLimit(1)
    limit.spend("one", 0.0)

    assert limit.spend("two", 0.0).allowed


def test_looking_counts_nothing() -> None:
    """`look` tells the quota without spending."""
    limit = RateLimit(2)

    assert [limit.look("key", 0.0).remaining for _ in range(3)] == [2, 2, 2]


def test_the_headers_tell_limit_remaining_and_unix_reset() -> None:
    """Reset is in Unix seconds, rounded up."""
    limit = RateLimit(100)
    limit.spend("key", 5.0)
    quota = limit.spend("key", 7.25)

    assert quota.headers(1_700_000_000.5) == {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "98",
        "X-RateLimit-Reset": "1700000059",
    }


def test_a_flood_of_senders_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the senders that came last are remembered."""
    monkeypatch.setattr(rate_limits, "_MOST_SENDERS", 10)
    limit = RateLimit(1)
    for sender in range(100):
        limit.spend(str(sender), 0.0)

    assert len(limit._sent) == 10
    assert not limit.spend("99", 0.0).allowed
