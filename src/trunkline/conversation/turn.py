"""Who has the floor: the table of a conversation's turns.

The rules of this file:

1. Everything that decides who may speak is in `TABLE`. A state, what happened, and out come the next state and what to do.
2. This file knows no time, no text, no sound. What happened was judged before (`floor.py`): "words were understood", "this
   is certainly an interruption". What to do is a `Step`, given its numbers and words there as well.
3. What the table does not name can't happen: `IllegalSignalError`, one sentence.
4. A reply is born withheld (`PREPARE_REPLY`), and is then released and withheld until it was heard or is dropped. In
   SPEAKING and OVERLAP it is released; in LISTENING, CALLER_SPEAKING and SUSPENDED there is none.
5. At most one timer runs: in CALLER_PAUSED, OVERLAP and DOUBTING only.

                          voice                    pause                turn ended               first sound
    LISTENING ───────────────────► CALLER_SPEAKING ─────► CALLER_PAUSED ───────────► REPLYING ──────────────► SPEAKING
       ▲                                  ▲  ▲ ◄──────────── voice │                  │  ▲                      │  ▲
       │                                  │  └──────── words ──────┼──────┐     voice │  │ no words       voice │  │ pause
       └── all heard                      │                 words  │      │           ▼  │                      ▼  │
                                          │            DOUBTING ───┘      └──── INTERRUPTED ◄── certain ────── OVERLAP
                                          │                ▲ pause ──────────────────┘                            │
                                          └──────────────────────────── words, or all heard ─────────────────────┘
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from trunkline.core.errors import InternalError


class State(Enum):
    """Where the talk is."""

    LISTENING = "listening"  # the floor is free
    CALLER_SPEAKING = "caller_speaking"
    CALLER_PAUSED = "caller_paused"  # the turn may be over; the reply is made in advance and withheld
    REPLYING = "replying"  # the floor is ours, nothing of the reply was heard yet
    SPEAKING = "speaking"
    OVERLAP = "overlap"  # the caller makes a sound while we speak; too early to call it a barge-in
    INTERRUPTED = "interrupted"  # we have stopped; the caller makes a sound
    DOUBTING = "doubting"  # the sound is over: was it words?
    SUSPENDED = "suspended"  # on hold or in a transfer: nobody listens, nobody speaks
    CLOSING = "closing"  # last words, heard to their end whatever the caller says
    CLOSED = "closed"


class Signal(Enum):
    """What happened, as judged."""

    VOICE_STARTED = auto()
    VOICE_PAUSED = auto()
    WORDS_SEEN = auto()  # words while the caller still speaks, enough to take the floor
    WORDS_UNDERSTOOD = auto()  # final words that are meant for us
    NOTHING_UNDERSTOOD = auto()  # a sound without words, or words that want no answer
    ENOUGH_OF_US = auto()  # the same after a barge-in, where we shall not go on
    INTERRUPTION_CERTAIN = auto()  # the overlap has lasted long enough
    INTERRUPTION_EARLY = auto()  # it has, but most of it was silence
    INTERRUPTION_UNSURE = auto()  # it has, but its words are still too few
    TURN_ENDED = auto()  # the wait after the caller's words is over
    KEYS_PRESSED = auto()
    REPLY_WANTED = auto()  # we have something of our own to say
    FAREWELL_WANTED = auto()  # the same, the last of all
    REPLY_STARTED = auto()
    REPLY_ENDED = auto()
    REPLY_ENDED_ANSWERED = auto()  # and the caller had answered its end already
    SUSPEND = auto()
    RESUME = auto()
    CLOSE = auto()


class Step(Enum):
    """What to do, in this order."""

    OPEN_EAR = auto()  # a new utterance of the caller begins
    REOPEN_EAR = auto()  # the same utterance goes on
    FINISH_EAR = auto()  # its words are wanted
    PREPARE_REPLY = auto()
    RELEASE_REPLY = auto()
    WITHHOLD_REPLY = auto()
    DROP_REPLY = auto()
    BARGE_IN = auto()
    COMMIT_TURN = auto()  # what the caller said stands
    NEXT_REPLY = auto()  # take up what we have to say ourselves
    WAIT_TRANSCRIPT = auto()
    WAIT_END_OF_TURN = auto()
    WAIT_INTERRUPTION = auto()
    WAIT_WORDS = auto()
    STOP_WAITING = auto()
    FREE_FLOOR = auto()


class IllegalSignalError(InternalError):
    """Something happened that can't happen in this state: a defect of whoever reported it."""

    def __init__(self, state: State, signal: Signal) -> None:
        super().__init__(f"{signal.name} can't happen while the talk is {state.value}.")
        self.state = state
        self.signal = signal


Row = tuple[State, tuple[Step, ...]]
_S, _E, _X = State, Signal, Step

_NEW_REPLY: Final = (_X.DROP_REPLY, _X.PREPARE_REPLY, _X.WAIT_END_OF_TURN)
_ANSWER_KEYS: Final = (_X.DROP_REPLY, _X.COMMIT_TURN, _X.PREPARE_REPLY, _X.RELEASE_REPLY)


def _stay(state: State, *signals: Signal) -> dict[Signal, Row]:
    return dict.fromkeys(signals, (state, ()))


def _live(rows: dict[Signal, Row]) -> dict[Signal, Row]:
    """Adds what every state of a living talk allows."""
    return rows | {
        _E.SUSPEND: (_S.SUSPENDED, (_X.STOP_WAITING, _X.DROP_REPLY, _X.FINISH_EAR)),
        _E.CLOSE: (_S.CLOSED, (_X.STOP_WAITING, _X.DROP_REPLY, _X.FINISH_EAR)),
    }


_LATE_WORDS: Final = (_E.WORDS_SEEN, _E.NOTHING_UNDERSTOOD)  # of a sound that is over

TABLE: Final[dict[State, dict[Signal, Row]]] = {
    _S.LISTENING: _live(
        {
            _E.VOICE_STARTED: (_S.CALLER_SPEAKING, (_X.OPEN_EAR,)),
            # The end of an answer given while we still spoke.
            _E.WORDS_UNDERSTOOD: (_S.CALLER_PAUSED, _NEW_REPLY),
            _E.REPLY_WANTED: (_S.REPLYING, (_X.NEXT_REPLY,)),
            _E.FAREWELL_WANTED: (_S.CLOSING, (_X.NEXT_REPLY,)),
            _E.KEYS_PRESSED: (_S.REPLYING, _ANSWER_KEYS),
            **_stay(_S.LISTENING, *_LATE_WORDS),
        }
    ),
    _S.CALLER_SPEAKING: _live(
        {
            _E.VOICE_PAUSED: (_S.CALLER_PAUSED, (_X.FINISH_EAR, _X.WAIT_TRANSCRIPT)),
            **_stay(_S.CALLER_SPEAKING, _E.WORDS_SEEN),
        }
    ),
    _S.CALLER_PAUSED: _live(
        {
            _E.VOICE_STARTED: (_S.CALLER_SPEAKING, (_X.STOP_WAITING, _X.DROP_REPLY, _X.REOPEN_EAR)),
            _E.WORDS_UNDERSTOOD: (_S.CALLER_PAUSED, (_X.STOP_WAITING, *_NEW_REPLY)),
            _E.NOTHING_UNDERSTOOD: (_S.LISTENING, (_X.STOP_WAITING, _X.DROP_REPLY, _X.FREE_FLOOR)),
            _E.TURN_ENDED: (_S.REPLYING, (_X.COMMIT_TURN, _X.RELEASE_REPLY)),
            **_stay(_S.CALLER_PAUSED, _E.WORDS_SEEN),
        }
    ),
    _S.REPLYING: _live(
        {
            _E.REPLY_STARTED: (_S.SPEAKING, ()),
            _E.REPLY_ENDED: (_S.LISTENING, (_X.FREE_FLOOR,)),
            _E.REPLY_ENDED_ANSWERED: (_S.CALLER_PAUSED, _NEW_REPLY),
            _E.VOICE_STARTED: (_S.INTERRUPTED, (_X.WITHHOLD_REPLY, _X.OPEN_EAR)),
            _E.WORDS_UNDERSTOOD: (_S.CALLER_PAUSED, _NEW_REPLY),
            _E.KEYS_PRESSED: (_S.REPLYING, _ANSWER_KEYS),
            **_stay(_S.REPLYING, *_LATE_WORDS),
        }
    ),
    _S.SPEAKING: _live(
        {
            _E.REPLY_ENDED: (_S.LISTENING, (_X.FREE_FLOOR,)),
            _E.REPLY_ENDED_ANSWERED: (_S.CALLER_PAUSED, _NEW_REPLY),
            _E.VOICE_STARTED: (_S.OVERLAP, (_X.OPEN_EAR, _X.WAIT_INTERRUPTION)),
            _E.WORDS_UNDERSTOOD: (_S.CALLER_PAUSED, (_X.BARGE_IN, *_NEW_REPLY)),
            _E.KEYS_PRESSED: (_S.REPLYING, (_X.BARGE_IN, *_ANSWER_KEYS)),
            **_stay(_S.SPEAKING, *_LATE_WORDS),
        }
    ),
    _S.OVERLAP: _live(
        {
            _E.VOICE_PAUSED: (_S.SPEAKING, (_X.STOP_WAITING, _X.FINISH_EAR)),
            _E.INTERRUPTION_CERTAIN: (_S.INTERRUPTED, (_X.BARGE_IN, _X.WITHHOLD_REPLY)),
            _E.INTERRUPTION_EARLY: (_S.OVERLAP, (_X.WAIT_INTERRUPTION,)),
            _E.INTERRUPTION_UNSURE: (_S.OVERLAP, ()),
            _E.WORDS_SEEN: (_S.CALLER_SPEAKING, (_X.STOP_WAITING, _X.BARGE_IN, _X.DROP_REPLY)),
            _E.REPLY_ENDED: (_S.CALLER_SPEAKING, (_X.STOP_WAITING,)),
            _E.REPLY_ENDED_ANSWERED: (_S.CALLER_SPEAKING, (_X.STOP_WAITING,)),
        }
    ),
    _S.INTERRUPTED: _live(
        {
            _E.VOICE_PAUSED: (_S.DOUBTING, (_X.FINISH_EAR, _X.WAIT_WORDS)),
            _E.WORDS_SEEN: (_S.CALLER_SPEAKING, (_X.DROP_REPLY,)),
        }
    ),
    _S.DOUBTING: _live(
        {
            _E.VOICE_STARTED: (_S.INTERRUPTED, (_X.STOP_WAITING, _X.REOPEN_EAR)),
            _E.WORDS_SEEN: (_S.CALLER_PAUSED, (_X.STOP_WAITING, _X.DROP_REPLY, _X.WAIT_TRANSCRIPT)),
            _E.WORDS_UNDERSTOOD: (_S.CALLER_PAUSED, (_X.STOP_WAITING, *_NEW_REPLY)),
            _E.NOTHING_UNDERSTOOD: (_S.REPLYING, (_X.STOP_WAITING, _X.RELEASE_REPLY)),
            _E.ENOUGH_OF_US: (_S.LISTENING, (_X.STOP_WAITING, _X.DROP_REPLY, _X.FREE_FLOOR)),
        }
    ),
    _S.SUSPENDED: {
        _E.RESUME: (_S.LISTENING, (_X.FREE_FLOOR,)),
        _E.CLOSE: (_S.CLOSED, ()),
    },
    _S.CLOSING: _live(
        {
            _E.REPLY_STARTED: (_S.CLOSING, ()),
            _E.REPLY_ENDED: (_S.CLOSED, ()),
            _E.REPLY_ENDED_ANSWERED: (_S.CLOSED, ()),
            **_stay(_S.CLOSING, _E.VOICE_STARTED, _E.VOICE_PAUSED, _E.WORDS_UNDERSTOOD, *_LATE_WORDS),
        }
    ),
    _S.CLOSED: _stay(_S.CLOSED, *_E),
}


def step(state: State, signal: Signal) -> Row:
    """The next state and what to do on the way there.

    Raises:
        IllegalSignalError: the table has no such row.
    """
    try:
        return TABLE[state][signal]
    except KeyError:
        raise IllegalSignalError(state, signal) from None
