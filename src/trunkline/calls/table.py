"""The life of a call as a table.

Rules of this file:
1. Every change of a call's state is in `TABLE`; nothing else decides what comes next.
2. It does no I/O and knows no time: what is to be done is returned as `Action`s, in order.
3. `ENDED` is reached once, from every state, and has no way out. Happenings after it are dropped by the owner, not by the table.
4. A happening that is not in the table for a state is an `IllegalHappeningError`: a defect, never a silent skip. What may
   arrive late (a ring after the answer) is in the table with no action.

            ┌──────────► RINGING ◄─────┐
   DIALLING ┤               │          ▼
            └────────► EARLY_MEDIA     │
                 │          │          │
                 ▼          ▼          ▼
                TALKING ◄──────► TRANSFERRING ──► HANDED_OVER
                 │                    │                │
                 └──────► ENDING ◄────┴────────────────┘
                            │
                            ▼   (from every state, when the caller's leg is gone)
                          ENDED
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from trunkline.core.errors import InternalError


class State(Enum):
    """Where a call is."""

    DIALLING = "dialling"
    RINGING = "ringing"
    EARLY_MEDIA = "early media"
    TALKING = "talking"
    TRANSFERRING = "transferring"
    HANDED_OVER = "handed over"
    ENDING = "ending"
    ENDED = "ended"


class Happening(Enum):
    """What can happen to a call."""

    RANG = auto()
    PROGRESSED = auto()
    ANSWERED = auto()
    LEG_ENDED = auto()
    END_WANTED = auto()
    TRANSFER_WANTED = auto()
    TRANSFER_COMPLETED = auto()
    TRANSFER_FAILED = auto()
    TARGET_ENDED = auto()
    MEDIA_LOST = auto()


class Action(Enum):
    """What the owner of the call then does, in the order given."""

    TELL_RINGING = auto()
    TELL_EARLY_MEDIA = auto()
    START_TALK = auto()
    START_TRANSFER = auto()
    CANCEL_TRANSFER = auto()
    HAND_OVER = auto()
    RETURN_TO_TALK = auto()
    RESTORE_MEDIA = auto()
    HANG_UP = auto()
    FINISH = auto()


class IllegalHappeningError(InternalError):
    """A call was told something that can't happen in its state."""

    def __init__(self, state: State, happening: Happening) -> None:
        super().__init__(f"A call that is {state.value} can't be told {happening.name.lower()}.")


_S, _H, _A = State, Happening, Action

_BEFORE_ANSWER: Final = (_S.DIALLING, _S.RINGING, _S.EARLY_MEDIA)
_UP: Final = (_S.TALKING, _S.TRANSFERRING, _S.HANDED_OVER)

TABLE: Final[dict[tuple[State, Happening], tuple[State, tuple[Action, ...]]]] = {
    (_S.DIALLING, _H.RANG): (_S.RINGING, (_A.TELL_RINGING,)),
    (_S.RINGING, _H.RANG): (_S.RINGING, ()),
    (_S.EARLY_MEDIA, _H.RANG): (_S.EARLY_MEDIA, ()),
    (_S.DIALLING, _H.PROGRESSED): (_S.EARLY_MEDIA, (_A.TELL_EARLY_MEDIA,)),
    (_S.RINGING, _H.PROGRESSED): (_S.EARLY_MEDIA, (_A.TELL_EARLY_MEDIA,)),
    (_S.EARLY_MEDIA, _H.PROGRESSED): (_S.EARLY_MEDIA, ()),
    **{(state, _H.ANSWERED): (_S.TALKING, (_A.START_TALK,)) for state in _BEFORE_ANSWER},
    **{
        (state, _H.END_WANTED): (_S.ENDING, (_A.HANG_UP,))
        for state in (*_BEFORE_ANSWER, _S.TALKING, _S.HANDED_OVER)
    },
    (_S.TRANSFERRING, _H.END_WANTED): (_S.ENDING, (_A.CANCEL_TRANSFER, _A.HANG_UP)),
    **{
        (state, _H.MEDIA_LOST): (state, (_A.RESTORE_MEDIA,))
        for state in (*_BEFORE_ANSWER, _S.TALKING, _S.TRANSFERRING)
    },
    (_S.HANDED_OVER, _H.MEDIA_LOST): (_S.HANDED_OVER, ()),
    (_S.TALKING, _H.TRANSFER_WANTED): (_S.TRANSFERRING, (_A.START_TRANSFER,)),
    (_S.TRANSFERRING, _H.TRANSFER_COMPLETED): (_S.HANDED_OVER, (_A.HAND_OVER,)),
    (_S.TRANSFERRING, _H.TRANSFER_FAILED): (_S.TALKING, (_A.RETURN_TO_TALK,)),
    # The target may hang up before the news of the completed transfer was read.
    **{(state, _H.TARGET_ENDED): (_S.ENDING, (_A.HANG_UP,)) for state in (_S.TRANSFERRING, _S.HANDED_OVER)},
    # A second wish while one is carried out: the model and a client may ask at the same time.
    **{(state, _H.TRANSFER_WANTED): (state, ()) for state in (_S.TRANSFERRING, _S.HANDED_OVER)},
    # Late news of what was true a moment ago.
    **{(state, late): (state, ()) for state in (*_UP, _S.ENDING) for late in (_H.RANG, _H.PROGRESSED)},
    **{
        (_S.ENDING, late): (_S.ENDING, ())
        for late in (
            _H.ANSWERED,
            _H.END_WANTED,
            _H.TRANSFER_WANTED,
            _H.TRANSFER_COMPLETED,
            _H.TRANSFER_FAILED,
            _H.TARGET_ENDED,
            _H.MEDIA_LOST,
        )
    },
    **{
        (state, _H.LEG_ENDED): (_S.ENDED, (_A.FINISH,))
        for state in State
        if state not in (_S.ENDED, _S.TRANSFERRING)
    },
    (_S.TRANSFERRING, _H.LEG_ENDED): (_S.ENDED, (_A.CANCEL_TRANSFER, _A.FINISH)),
}


def step(state: State, happening: Happening) -> tuple[State, tuple[Action, ...]]:
    """The next state and what to do.

    Raises:
        IllegalHappeningError: the pair is not in the table.
    """
    try:
        return TABLE[state, happening]
    except KeyError:
        raise IllegalHappeningError(state, happening) from None
