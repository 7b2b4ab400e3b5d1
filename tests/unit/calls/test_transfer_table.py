"""The table of a transfer."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.calls.transfer_table import (
    FINAL,
    TABLE,
    TransferAction,
    TransferHappening,
    TransferState,
    step,
)


@given(st.lists(st.sampled_from(TransferHappening), max_size=40))
def test_a_transfer_ends_joined_or_with_the_caller_back_at_the_assistant(happenings: list[TransferHappening]):
    """No path leaves the caller alone: final is either completed, or returned exactly once."""
    state, done = TransferState.ANNOUNCING, []
    for happening in happenings:
        if (state, happening) not in TABLE:
            continue
        state, actions = step(state, happening)
        done.extend(actions)

    assert done.count(TransferAction.COMPLETE) == (state is TransferState.COMPLETED)
    assert done.count(TransferAction.RETURN) == (state in {TransferState.FAILED, TransferState.CANCELLED})


def test_every_state_before_the_join_can_be_cancelled():
    """`cancel-transfer` works until both parties are joined."""
    for state in TransferState:
        if state not in FINAL:
            assert step(state, TransferHappening.CANCELLED)[0] is TransferState.CANCELLED
