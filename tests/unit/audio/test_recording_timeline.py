from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.formats import SLIN_8K
from trunkline.audio.g711 import encode_slin
from trunkline.audio.recording_timeline import HORIZON_S, SLACK_S, TOLERANCE_S, RecordingTimeline

RATE = 8000
FRAME = 160


def frame(value: int, frames: int = 1) -> bytes:
    return encode_slin(np.full(FRAME * frames, value, np.int16))


def whole(line: RecordingTimeline, end_s: float | None = None) -> np.ndarray:
    blocks = []
    while len(block := line.finish(end_s)):
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros((0, 2), np.int16)


def test_both_parties_lie_on_one_line():
    """The caller left, the assistant right, each at its time, silence elsewhere."""
    line = RecordingTimeline(SLIN_8K, start_s=100.0)
    line.place_caller(frame(1), 100.5)
    line.place_assistant(frame(2, 5), 100.2)
    sound = whole(line)

    assert np.flatnonzero(sound[:, 0]).tolist() == list(range(4000, 4160))
    assert np.flatnonzero(sound[:, 1]).tolist() == list(range(1600, 2400))
    assert len(sound) == 4160


def test_trembling_arrivals_stay_contiguous():
    """Frames that come up to 60 ms late or early are joined sample by sample."""
    line = RecordingTimeline(SLIN_8K, 0.0)
    late_ms = [0, 15, 40, 3, 55, 20, -20, 8, 59, 0]
    for number, late in enumerate(late_ms):
        line.place_caller(frame(number + 1), number * 0.02 + late / 1000)

    assert whole(line)[:, 0].tolist() == np.repeat(np.arange(1, 11), FRAME).tolist()


def test_a_pause_is_silence_of_the_same_length():
    """A phone that sends nothing for half a second leaves half a second."""
    line = RecordingTimeline(SLIN_8K, 0.0)
    line.place_caller(frame(1), 0.0)
    line.place_caller(frame(2), 0.52)
    left = whole(line)[:, 0]

    assert left[:160].all()
    assert not left[160:4160].any()
    assert (left[4160:] == 2).all()


def test_a_burst_moves_back_into_the_gap_that_held_it_up():
    """A network that stalls for 200 ms and then gives ten frames at once spoils nothing."""
    line = RecordingTimeline(SLIN_8K, 0.0)
    for number in range(10):
        line.place_caller(frame(number + 1), number * 0.02)
    for number in range(10, 20):
        line.place_caller(frame(number + 1), 0.4)  # due from 0.20 on
    for number in range(20, 30):
        line.place_caller(frame(number + 1), number * 0.02)
    left = whole(line)[:, 0]
    first = np.flatnonzero(left == 11)[0]

    assert first / RATE == pytest.approx(0.2, abs=TOLERANCE_S + 0.02)
    assert left[first:].tolist() == np.repeat(np.arange(11, 31), FRAME).tolist()


def test_a_sender_whose_clock_runs_fast_never_drifts_away():
    """Twice real time for a while: at most the slack ahead, then frames are left out."""
    line = RecordingTimeline(SLIN_8K, 0.0)
    for number in range(100):
        line.place_caller(frame(number + 1), number * 0.01)

    assert len(whole(line)) / RATE == pytest.approx(1.0 + SLACK_S, abs=0.03)


def test_only_what_is_settled_is_given():
    """A horizon behind now, each sample once, nothing held for longer."""
    line = RecordingTimeline(SLIN_8K, 0.0)
    for number in range(200):
        line.place_caller(frame(number + 1), number * 0.02)
    early = line.take(now_s=0.5)
    first = line.take(now_s=3.0)
    again = line.take(now_s=3.0)
    rest = whole(line)

    assert (len(early), len(again)) == (0, 0)
    assert len(first) == (3.0 - HORIZON_S) * RATE
    assert np.concatenate((first, rest))[:, 0].tolist() == np.repeat(np.arange(1, 201), FRAME).tolist()


def test_sound_from_before_the_start_is_cut():
    """Early media is not part of the recording."""
    line = RecordingTimeline(SLIN_8K, start_s=10.0)
    line.place_caller(frame(1), 9.0)
    line.place_caller(frame(2), 9.99)

    assert whole(line)[:, 0].tolist() == [2] * 80


def test_a_call_that_ends_in_silence_is_as_long_as_the_call():
    """The end is told, and given in pieces of bounded size."""
    line = RecordingTimeline(SLIN_8K, 0.0)
    line.place_assistant(frame(5), 0.0)
    piece = line.finish(end_s=25.0, most_s=10.0)

    assert len(piece) == 10 * RATE
    assert len(piece) + len(whole(line, 25.0)) == 25 * RATE


arrivals = st.lists(
    st.tuples(st.sampled_from(["caller", "assistant", "take"]), st.floats(-0.05, 0.6), st.integers(0, 4)),
    max_size=60,
)


@given(arrivals)
def test_whatever_comes_the_channels_stay_in_step(moves):
    """Blocks add up to one line; each sound keeps its order and lies at most the slack and a frame from its time, or is left out."""
    line, now, number, blocks, placed = RecordingTimeline(SLIN_8K, 0.0), 0.0, 0, [], {}
    for who, step, frames in moves:
        now = max(0.0, now + step)
        if who == "take":
            blocks.append(line.take(now))
        else:
            number += 1
            placed[number] = (0 if who == "caller" else 1, now)
            place = line.place_caller if who == "caller" else line.place_assistant
            place(frame(number, frames), now)
    sound = np.concatenate([*blocks, whole(line)])

    assert round(line.taken_s * RATE) == len(sound)
    for channel in (0, 1):
        heard = [value for value in sound[:, channel].tolist() if value]
        assert heard == sorted(heard)
    for value, (channel, at_s) in placed.items():
        where = np.flatnonzero(sound[:, channel] == value)
        if len(where):
            assert where[-1] - where[0] + 1 == len(where)
            # Back by a burst's move, on by the slack.
            assert -0.7 - TOLERANCE_S <= where[0] / RATE - at_s <= SLACK_S + 0.02
        assert sound[where, 1 - channel].tolist().count(value) == 0
