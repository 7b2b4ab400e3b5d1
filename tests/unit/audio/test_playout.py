from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.formats import SLIN_16K, ULAW_8K
from trunkline.audio.playout import PlayoutLedger, split_heard

FRAME = ULAW_8K.frame_bytes


def ms(duration: float) -> int:
    return ULAW_8K.size_bytes(duration)


def test_nothing_is_heard_before_it_was_sent():
    """Time alone plays nothing."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "Hello there.", ms(1000))

    assert ledger.heard_ms(at_s=60.0) == 0
    assert ledger.unsent_bytes == ms(1000)


def test_the_heard_position_follows_the_clock_from_one_frame_after_the_first_send():
    """The PBX plays in real time from its next tick on, and never past what it has."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "Hello there.", ms(1000))
    ledger.sent(ms(200), at_s=10.0)

    assert [ledger.heard_ms(t) for t in (10.0, 10.02, 10.12, 10.22, 11.0)] == pytest.approx(
        [0, 0, 100, 200, 200], abs=0.2
    )


def test_time_passes_a_mark_that_is_out_by_one_frame_at_most():
    """A PBX that plays late holds the estimate back."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "Hello there.", ms(1000))
    ledger.sent(ms(100), at_s=0.0)
    ledger.mark("m1")
    ledger.sent(ms(400), at_s=0.0)

    assert ledger.heard_ms(at_s=5.0) == 120


def test_a_mark_that_came_back_is_certain():
    """Everything before it was heard, however early it came."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "Hello there.", ms(1000))
    ledger.sent(ms(100), at_s=0.0)
    ledger.mark("m1")
    ledger.sent(ms(100), at_s=0.0)

    assert ledger.marked("m1", at_s=0.05)
    assert ledger.heard_ms(at_s=0.05) == 100


def test_a_mark_also_proves_the_older_ones():
    """An answer that got lost does not hold the position back for ever."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "Hello there.", ms(300))
    for name in ("m1", "m2", "m3"):
        ledger.sent(ms(100), at_s=0.0)
        ledger.mark(name)

    assert ledger.marked("m2", at_s=0.1)
    assert not ledger.marked("m1", at_s=0.1)
    assert ledger.heard_ms(at_s=0.1) == 200


def test_an_unknown_mark_changes_nothing():
    """Marks of a flushed burst or of an older channel are told apart."""
    ledger = PlayoutLedger(ULAW_8K)

    assert not ledger.marked("stranger", at_s=1.0)
    assert ledger.heard_bytes(1.0) == 0


def test_a_flush_keeps_what_was_heard_and_drops_the_rest():
    """Sent = heard + flushed; what was queued here is gone too; lost marks are named."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "one two three four five", ms(1000))
    ledger.sent(ms(400), at_s=0.0)
    ledger.mark("m1")

    flushed = ledger.flushed(at_s=0.22)

    assert (flushed.dropped_ms, flushed.unsent_ms, flushed.lost_marks) == (
        pytest.approx(200, abs=0.2),
        600,
        ("m1",),
    )
    assert ledger.heard_ms(at_s=9.0) == pytest.approx(200, abs=0.2)
    assert ledger.pending_bytes(at_s=9.0) == 0
    assert ledger.heard_text("a", at_s=9.0) == "one"
    assert not ledger.progress("a", at_s=9.0).is_whole


def test_an_utterance_can_go_on_where_a_flush_stopped_it():
    """A false interruption: the rest of the text is queued again under the same id, and the parts join."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "one two three four", ms(400))
    ledger.sent(ms(400), at_s=0.0)
    ledger.flushed(at_s=0.24)
    stopped = ledger.progress("a", at_s=1.0)
    assert (stopped.heard_text, stopped.unheard_text) == ("one two", "three four")

    ledger.queue("a", stopped.unheard_text, ms(200))
    ledger.sent(ms(200), at_s=1.0)

    assert ledger.heard_text("a", at_s=1.0) == "one two"
    assert ledger.heard_text("a", at_s=2.0) == "one two three four"


def test_after_a_silence_the_clock_starts_anew():
    """Time during which the PBX had nothing to play is not counted for what comes later."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "first", ms(100))
    ledger.sent(ms(100), at_s=0.0)
    ledger.queue("b", "second", ms(100))
    ledger.sent(ms(100), at_s=5.0)

    assert ledger.heard_ms(at_s=5.02) == 100
    assert ledger.heard_text("b", at_s=5.02) == ""
    assert ledger.drained_at_s() == pytest.approx(5.12)


def test_two_spans_of_one_utterance_each_keep_their_own_pace():
    """A slow sentence does not shift the words of the next one."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "Yes.", ms(400))
    ledger.queue("a", "We open at nine.", ms(400))
    ledger.sent(ms(800), at_s=0.0)

    assert ledger.heard_text("a", at_s=0.02 + 0.4) == "Yes."
    assert ledger.heard_text("a", at_s=0.02 + 0.6) == "Yes. We open"
    assert ledger.progress("a", at_s=0.02 + 0.8).is_whole


def test_a_text_whose_audio_is_still_being_made_is_not_taken_for_heard():
    """All audio so far was heard, but the sentence is longer than that."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.begin("a", "This is a rather long sentence that takes a while.")
    ledger.add(ms(200))
    ledger.sent(ms(200), at_s=0.0)

    growing = ledger.progress("a", at_s=1.0)
    assert (growing.heard_ms, growing.heard_text, growing.is_whole) == (200, "", False)

    ledger.flushed(at_s=1.0)
    assert not ledger.progress("a", at_s=1.0).is_whole


def test_only_so_much_may_be_sent_ahead():
    """Whole frames, up to the allowance beyond what is heard; none while the PBX is full."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "text", ms(1000))

    assert ledger.may_send_bytes(at_s=0.0, ahead_ms=170) == 8 * FRAME
    ledger.sent(8 * FRAME, at_s=0.0)
    assert ledger.may_send_bytes(at_s=0.02, ahead_ms=160) == 0
    assert ledger.may_send_bytes(at_s=0.08, ahead_ms=160) == 3 * FRAME
    ledger.flow(paused=True)
    assert ledger.may_send_bytes(at_s=0.08, ahead_ms=160) == 0


def test_less_than_a_frame_is_never_sent():
    """The rest of a sentence waits until it is padded to a frame."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "text", FRAME + 50)

    assert ledger.may_send_bytes(at_s=0.0, ahead_ms=1000) == FRAME


@pytest.mark.parametrize("size", [1, FRAME + 1, -FRAME])
def test_only_whole_frames_can_be_sent(size):
    """A PBX throws the tail of a broken frame away, so the ledger would lie."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "text", ms(1000))

    with pytest.raises(ValueError, match="whole frames"):
        ledger.sent(size, at_s=0.0)


def test_more_than_was_queued_cannot_be_sent():
    """Sending what nobody queued is a defect."""
    with pytest.raises(ValueError, match="queued"):
        PlayoutLedger(ULAW_8K).sent(FRAME, at_s=0.0)


def test_audio_belongs_to_a_span():
    """Late audio of a flushed sentence is refused, not counted for another."""
    ledger = PlayoutLedger(SLIN_16K)
    ledger.begin("a", "text")
    ledger.flushed(at_s=0.0)

    with pytest.raises(ValueError, match="span"):
        ledger.add(2)
    with pytest.raises(ValueError, match="samples"):
        ledger.queue("b", "text", 3)


def test_a_forgotten_utterance_leaves_the_account_in_order():
    """Only its text is dropped."""
    ledger = PlayoutLedger(ULAW_8K)
    ledger.queue("a", "text", ms(100))
    ledger.sent(ms(100), at_s=0.0)
    ledger.forget("a")

    assert ledger.heard_ms(at_s=1.0) == 100
    assert ledger.heard_text("a", at_s=1.0) == ""


@pytest.mark.parametrize(
    ("share", "heard", "rest"),
    [
        (0.0, "", "one two, three"),
        (0.2, "", "one two, three"),
        (0.22, "one", "two, three"),
        (0.5, "one", "two, three"),
        (0.6, "one two,", "three"),
        (0.99, "one two,", "three"),
        (1.0, "one two, three", ""),
    ],
)
def test_text_is_cut_after_whole_words(share, heard, rest):
    """A word counts once its last letter was reached."""
    assert split_heard("one two, three", share) == (heard, rest)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("queue"), st.integers(0, 40)),
        st.tuples(st.just("send"), st.integers(1, 50)),
        st.tuples(st.just("wait"), st.floats(0, 1.0)),
        st.tuples(st.just("mark"), st.none()),
        st.tuples(st.just("marked"), st.integers(0, 5)),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=60,
)


@given(steps)
def test_the_account_always_balances(moves):
    """Sent = heard + flushed + pending, none of them negative, heard never goes back, in whatever order things happen."""
    ledger, now, heard, marks = PlayoutLedger(ULAW_8K), 0.0, 0, []
    for number, (move, value) in enumerate(moves):
        match move:
            case "queue":
                ledger.queue(f"u{number % 3}", "some words to say", value * FRAME)
            case "send":
                ledger.sent(min(value * FRAME, ledger.unsent_bytes), now)
            case "wait":
                now += value
            case "mark":
                ledger.mark(f"m{number}")
                marks.append(f"m{number}")
            case "marked" if value < len(marks):
                ledger.marked(marks[value], now)
            case "flush":
                ledger.flushed(now)
                assert ledger.pending_bytes(now) == ledger.unsent_bytes == 0
        now_heard, pending = ledger.heard_bytes(now), ledger.pending_bytes(now)

        assert ledger.sent_bytes == now_heard + ledger.flushed_bytes + pending
        assert now_heard >= heard
        assert pending >= 0
        assert ledger.may_send_bytes(now, 200) % FRAME == 0
        heard = now_heard
