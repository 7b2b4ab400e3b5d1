"""The table of turns: complete, reachable, and honest about what can't happen."""

from __future__ import annotations

import pytest

from trunkline.conversation.turn import TABLE, IllegalSignalError, Signal, State, Step, step


def test_every_state_can_be_reached_from_listening() -> None:
    """No row of the table is dead."""
    seen, todo = set(), [State.LISTENING]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += [after for after, _ in TABLE[state].values()]

    assert seen == set(State)


@pytest.mark.parametrize("state", [state for state in State if state is not State.CLOSED])
def test_every_state_can_be_closed_and_only_closed_is_for_ever(state: State) -> None:
    """Whatever goes on, the talk can end, and then nothing moves it."""
    assert step(state, Signal.CLOSE)[0] is State.CLOSED
    assert {after for after, _ in TABLE[State.CLOSED].values()} == {State.CLOSED}


def test_what_is_not_in_the_table_is_one_clear_error() -> None:
    """The sentence names what happened and when it did."""
    with pytest.raises(
        IllegalSignalError, match="VOICE_STARTED can't happen while the talk is caller_speaking"
    ):
        step(State.CALLER_SPEAKING, Signal.VOICE_STARTED)


@pytest.mark.parametrize("signal", [Signal.SUSPEND, Signal.CLOSE])
@pytest.mark.parametrize("state", [s for s in State if s not in {State.CLOSED, State.SUSPENDED}])
def test_nothing_outlives_a_suspension_or_the_end(state: State, signal: Signal) -> None:
    """The timer is stopped and the reply dropped, from every state."""
    _, steps = step(state, signal)

    assert Step.STOP_WAITING in steps
    assert Step.DROP_REPLY in steps


@pytest.mark.parametrize(
    ("state", "signal", "after"),
    [
        (State.LISTENING, Signal.VOICE_STARTED, State.CALLER_SPEAKING),
        (State.CALLER_SPEAKING, Signal.VOICE_PAUSED, State.CALLER_PAUSED),
        (State.CALLER_PAUSED, Signal.VOICE_STARTED, State.CALLER_SPEAKING),
        (State.CALLER_PAUSED, Signal.TURN_ENDED, State.REPLYING),
        (State.REPLYING, Signal.VOICE_STARTED, State.INTERRUPTED),
        (State.SPEAKING, Signal.VOICE_STARTED, State.OVERLAP),
        (State.OVERLAP, Signal.VOICE_PAUSED, State.SPEAKING),
        (State.OVERLAP, Signal.INTERRUPTION_CERTAIN, State.INTERRUPTED),
        (State.OVERLAP, Signal.REPLY_ENDED, State.CALLER_SPEAKING),
        (State.INTERRUPTED, Signal.VOICE_PAUSED, State.DOUBTING),
        (State.DOUBTING, Signal.NOTHING_UNDERSTOOD, State.REPLYING),
        (State.DOUBTING, Signal.ENOUGH_OF_US, State.LISTENING),
        (State.DOUBTING, Signal.WORDS_UNDERSTOOD, State.CALLER_PAUSED),
        (State.CLOSING, Signal.VOICE_STARTED, State.CLOSING),
        (State.CLOSING, Signal.REPLY_ENDED, State.CLOSED),
    ],
)
def test_the_floor_passes(state: State, signal: Signal, after: State) -> None:
    """The arrows of the drawing."""
    assert step(state, signal)[0] is after
