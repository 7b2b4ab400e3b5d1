"""The table of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.calls.table import TABLE, Action, Happening, IllegalHappeningError, State, step


def test_every_state_but_the_last_can_lose_its_leg_and_then_finishes_once():
    """Whatever a call is doing, the end of its leg ends it."""
    for state in State:
        if state is State.ENDED:
            continue
        after, actions = step(state, Happening.LEG_ENDED)

        assert (after, actions.count(Action.FINISH)) == (State.ENDED, 1)


def test_nothing_leaves_the_end():
    """An ended call has no way out."""
    assert not [pair for pair in TABLE if pair[0] is State.ENDED]


def test_an_end_wanted_during_a_transfer_drops_the_target_first():
    """The target's leg must not outlive the call."""
    assert step(State.TRANSFERRING, Happening.END_WANTED) == (
        State.ENDING,
        (Action.CANCEL_TRANSFER, Action.HANG_UP),
    )


def test_an_illegal_happening_is_one_clear_error():
    """A transfer can't complete before there was one."""
    with pytest.raises(IllegalHappeningError, match="talking can't be told transfer_completed"):
        step(State.TALKING, Happening.TRANSFER_COMPLETED)


@given(st.lists(st.sampled_from(Happening), max_size=60))
def test_random_lives_start_one_talk_and_finish_at_most_once(happenings: list[Happening]):
    """However events arrive, one answer starts one talk and one end finishes the call."""
    state, done = State.DIALLING, []
    for happening in happenings:
        if (state, happening) not in TABLE:
            continue
        state, actions = step(state, happening)
        done.extend(actions)

    assert done.count(Action.START_TALK) <= 1
    assert done.count(Action.FINISH) == (state is State.ENDED)
    assert done.count(Action.HAND_OVER) <= done.count(Action.START_TRANSFER)
