"""How many requests a key, a call or an address may send in a minute. Pure: time comes in."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60.0
_MOST_SENDERS: Final = (
    10_000  # protects memory from a flood of addresses; the sender idle for longest is forgotten
)


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a sender stands.

    Attributes:
        limit: requests in any 60 s.
        remaining: how many of them are left.
        reset_in_s: when the oldest counted request leaves the window; 0 where none is counted.
        allowed: whether the request that asked may pass.
    """

    limit: int
    remaining: int
    reset_in_s: float
    allowed: bool = True

    @property
    def retry_after_s(self) -> int:
        """Whole seconds to wait, at least 1."""
        return max(1, math.ceil(self.reset_in_s))

    def headers(self, now_unix_s: float) -> dict[str, str]:
        """The three headers that every answer carries; `Reset` in Unix seconds, rounded up so that waiting for it is enough."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(math.ceil(now_unix_s + self.reset_in_s)),
        }


class RateLimit:
    """At most `limit` requests of one sender in any 60 seconds, exactly: no double burst where two windows meet.

    A refused request isn't counted, so a client that keeps asking is let in as soon as it may.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._sent: OrderedDict[str, deque[float]] = OrderedDict()

    def spend(self, sender: str, now_s: float) -> Quota:
        """Counts one request at `now_s` (monotonic), unless none is left."""
        sent = self._recent(sender, now_s)
        if len(sent) >= self.limit:
            return self._quota(sent, now_s, allowed=False)
        sent.append(now_s)
        return self._quota(sent, now_s)

    def look(self, sender: str, now_s: float) -> Quota:
        """The same without counting."""
        return self._quota(self._recent(sender, now_s), now_s)

    def _recent(self, sender: str, now_s: float) -> deque[float]:
        sent = self._sent.setdefault(sender, deque())
        self._sent.move_to_end(sender)
        while sent and sent[0] <= now_s - WINDOW_S:
            sent.popleft()
        if len(self._sent) > _MOST_SENDERS:
            self._sent.popitem(last=False)
        return sent

    def _quota(self, sent: deque[float], now_s: float, *, allowed: bool = True) -> Quota:
        reset_in_s = sent[0] + WINDOW_S - now_s if sent else 0.0
        return Quota(self.limit, self.limit - len(sent), reset_in_s, allowed)
