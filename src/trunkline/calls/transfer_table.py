"""The life of a transfer as a table.

Rules of this file:
1. Every change of a transfer's state is in `TABLE`; it does no I/O and knows no time.
2. The caller is never alone: until the target is joined, every failure leads back to the assistant (`RETURN`).
3. `COMPLETED`, `FAILED` and `CANCELLED` are final.

   ANNOUNCING ──heard──► DIALLING ──answered──► JOINING ──joined──► COMPLETED
        │                   │                      │
        └────── cancelled / target ended / join failed ──► FAILED or CANCELLED
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from trunkline.core.errors import InternalError


class TransferState(Enum):
    """Where a transfer is."""

    ANNOUNCING = "announcing"
    DIALLING = "dialling"
    JOINING = "joining"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TransferHappening(Enum):
    """What can happen to a transfer."""

    ANNOUNCED = auto()
    TARGET_RANG = auto()
    TARGET_ANSWERED = auto()
    TARGET_ENDED = auto()
    JOINED = auto()
    JOIN_FAILED = auto()
    CANCELLED = auto()


class TransferAction(Enum):
    """What the transfer's owner then does."""

    DIAL_TARGET = auto()
    JOIN_LEGS = auto()
    HANG_UP_TARGET = auto()
    COMPLETE = auto()
    RETURN = auto()


_S, _H, _A = TransferState, TransferHappening, TransferAction
FINAL: Final = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED})

TABLE: Final[
    dict[tuple[TransferState, TransferHappening], tuple[TransferState, tuple[TransferAction, ...]]]
] = {
    (_S.ANNOUNCING, _H.ANNOUNCED): (_S.DIALLING, (_A.DIAL_TARGET,)),
    (_S.ANNOUNCING, _H.CANCELLED): (_S.CANCELLED, (_A.RETURN,)),
    (_S.DIALLING, _H.TARGET_RANG): (_S.DIALLING, ()),
    (_S.DIALLING, _H.TARGET_ANSWERED): (_S.JOINING, (_A.JOIN_LEGS,)),
    (_S.DIALLING, _H.TARGET_ENDED): (_S.FAILED, (_A.RETURN,)),
    (_S.DIALLING, _H.CANCELLED): (_S.CANCELLED, (_A.HANG_UP_TARGET, _A.RETURN)),
    (_S.JOINING, _H.TARGET_RANG): (_S.JOINING, ()),
    (_S.JOINING, _H.JOINED): (_S.COMPLETED, (_A.COMPLETE,)),
    (_S.JOINING, _H.JOIN_FAILED): (_S.FAILED, (_A.HANG_UP_TARGET, _A.RETURN)),
    (_S.JOINING, _H.TARGET_ENDED): (_S.FAILED, (_A.RETURN,)),
    (_S.JOINING, _H.CANCELLED): (_S.CANCELLED, (_A.HANG_UP_TARGET, _A.RETURN)),
}


class IllegalTransferHappeningError(InternalError):
    """A transfer was told something that can't happen in its state."""

    def __init__(self, state: TransferState, happening: TransferHappening) -> None:
        super().__init__(f"A transfer that is {state.value} can't be told {happening.name.lower()}.")


def step(
    state: TransferState, happening: TransferHappening
) -> tuple[TransferState, tuple[TransferAction, ...]]:
    """The next state and what to do.

    Raises:
        IllegalTransferHappeningError: the pair is not in the table.
    """
    try:
        return TABLE[state, happening]
    except KeyError:
        raise IllegalTransferHappeningError(state, happening) from None
