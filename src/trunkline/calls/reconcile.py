"""What the store says and what the PBX has, brought together. `plan` is pure; the service carries it out.

Runs at start and every 30 s; what a lost connection hid, the PBX's adapter tells by itself. A leg of ours that no call knows is hung up once it is old enough
(a call that is just being set up has a leg before the sweep knows it).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trunkline.core.ids import BridgeId, CallId, LegId
from trunkline.pbx.port import Snapshot
from trunkline.store.rows import CallRow


@dataclass(frozen=True, slots=True)
class Repairs:
    """What to do, each step idempotent.

    Attributes:
        hang_up: legs that no call owns.
        close: bridges that no call owns.
        end: calls of an earlier life of this service that nobody holds any more.
    """

    hang_up: Sequence[LegId] = ()
    close: Sequence[BridgeId] = ()
    end: Sequence[CallId] = ()

    def __bool__(self) -> bool:
        return bool(self.hang_up or self.close or self.end)


@dataclass(frozen=True, slots=True)
class Possessions:
    """What the live calls of this process own, transfer targets and media legs included."""

    calls: Collection[CallId]
    legs: Collection[LegId]
    bridges: Collection[BridgeId]


def plan(
    snapshot: Snapshot,
    stored: Sequence[CallRow],
    held: Possessions,
    *,
    known_bridges: Collection[BridgeId],
    now: datetime,
    orphan_after_s: float,
) -> Repairs:
    """What must change so that PBX and store agree.

    Args:
        snapshot: what is up on the PBX.
        stored: calls of this node that the store says are not over.
        held: what this process owns.
        known_bridges: bridges that were already without an owner at the sweep before; a bridge has no age of its own.
        now: the wall time.
        orphan_after_s: a leg younger than this may belong to a call that is being set up.
    """
    oldest = now - timedelta(seconds=orphan_after_s)
    return Repairs(
        hang_up=[
            leg.leg_id
            for leg in snapshot.legs
            if leg.ours
            and leg.leg_id not in held.legs
            and (leg.created_at is None or leg.created_at <= oldest)
        ],
        close=[
            bridge for bridge in snapshot.bridges if bridge not in held.bridges and bridge in known_bridges
        ],
        end=[row.id for row in stored if row.id not in held.calls],
    )
