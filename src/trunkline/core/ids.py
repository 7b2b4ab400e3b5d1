"""Identifiers. Randomness comes in as a `Choose`, so that tests can pin every id."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import NewType

CallId = NewType("CallId", str)
OrganizationId = NewType("OrganizationId", str)
LegId = NewType("LegId", str)
BridgeId = NewType("BridgeId", str)
TrunkId = NewType("TrunkId", str)

Choose = Callable[[Sequence[str]], str]
"""Picks one of a sequence; `secrets.choice` in production."""

_LOWER_ALNUM = string.ascii_lowercase + string.digits
_BASE62 = string.ascii_letters + string.digits


def _token(choose: Choose, alphabet: str, length: int) -> str:
    return "".join(choose(alphabet) for _ in range(length))


def new_outbound_call_id(choose: Choose) -> CallId:
    """`call-outbound-` and 12 lowercase letters or digits."""
    return CallId(f"call-outbound-{_token(choose, _LOWER_ALNUM, 12)}")


def new_inbound_call_id(caller: str | None, choose: Choose) -> CallId:
    """`call-_<E.164>_` (or `anonymous`) and 12 base-62 characters."""
    return CallId(f"call-_{caller or 'anonymous'}_{_token(choose, _BASE62, 12)}")


def new_room_name(choose: Choose) -> str:
    """`outbound-` and 8 lowercase letters or digits."""
    return f"outbound-{_token(choose, _LOWER_ALNUM, 8)}"


def new_leg_id(call_id: CallId, role: str, choose: Choose) -> LegId:
    """A leg's id names its call and role, so that a stray leg on the PBX can be told from a foreign one.

    Each id is fresh: a PBX must never see the same media leg id twice.
    """
    return LegId(
        f"tl-{call_id.rsplit('-', 1)[-1].rsplit('_', 1)[-1]}-{role}-{_token(choose, _LOWER_ALNUM, 8)}"
    )
