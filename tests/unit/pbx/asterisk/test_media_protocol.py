"""chan_websocket's control protocol, without a socket and without a loop."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.pbx.asterisk.media_protocol import (
    MAX_COMMAND_BYTES,
    CommandRefused,
    DigitPressed,
    FlowChanged,
    MalformedControl,
    MarkProcessed,
    MediaProtocol,
    MediaStarted,
    QueueDrained,
    QueueStatus,
    Unused,
)


def said(event: str, **fields: Any) -> str:
    return json.dumps({"event": event, "channel_id": "tl-1", **fields})


def commands(texts: tuple[str, ...]) -> list[str]:
    return [json.loads(text)["command"] for text in texts]


def test_media_start_tells_the_format():
    """The sizes are the PBX's own."""
    text = said(
        "MEDIA_START",
        format="ulaw",
        optimal_frame_size=160,
        ptime=20,
        connection_id="c",
        channel_variables={},
    )

    assert MediaProtocol().receive(text) == MediaStarted("tl-1", "ulaw", 160, 20)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (said("DTMF_END", digit="#"), DigitPressed("#")),
        (said("ERROR", error_text="no"), CommandRefused("no")),
        (
            said("STATUS", queue_length=3, queue_full=False, media_paused=True, xon_level=800),
            QueueStatus(3, queue_full=False, media_paused=True),
        ),
        (said("QUEUE_DRAINED"), QueueDrained()),
        (said("MEDIA_BUFFERING_COMPLETED", correlation_id="x"), Unused("MEDIA_BUFFERING_COMPLETED")),
        (said("SOMETHING_NEW"), Unused("SOMETHING_NEW")),
    ],
)
def test_each_message_is_one_event(text: str, event: object):
    """Also those that a later Asterisk may add."""
    assert MediaProtocol().receive(text) == event


def test_flow_is_told_when_it_changes():
    """XOFF twice is one stop."""
    protocol = MediaProtocol()

    assert [protocol.receive(said(f"MEDIA_{flow}")) for flow in ("XON", "XOFF", "XOFF", "XON")] == [
        Unused("MEDIA_XON"),
        FlowChanged(paused=True),
        Unused("MEDIA_XOFF"),
        FlowChanged(paused=False),
    ]
    assert not protocol.paused


def test_a_mark_comes_back_once():
    """A second notice of the same mark says nothing."""
    protocol = MediaProtocol()
    assert json.loads(protocol.mark("a1")) == {"command": "MARK_MEDIA", "correlation_id": "a1"}
    text = said("MEDIA_MARK_PROCESSED", correlation_id="a1")

    assert protocol.receive(text) == MarkProcessed("a1")
    assert protocol.receive(text) == Unused("MEDIA_MARK_PROCESSED")


@pytest.mark.parametrize("mark_id", ["", "x" * 41, "é", "a\nb"])
def test_a_mark_that_asterisk_could_not_carry_is_our_mistake(mark_id: str):
    """Empty, too long, not ASCII, or with a control character."""
    with pytest.raises(ValueError, match="mark"):
        MediaProtocol().mark(mark_id)


def test_the_same_mark_is_not_out_twice():
    """Two answers to one name could not be told apart."""
    protocol = MediaProtocol()
    protocol.mark("m")
    with pytest.raises(ValueError, match="already out"):
        protocol.mark("m")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_no_command_is_longer_than_asterisk_reads(mark_id: str):
    """Longer ones would vanish without an answer."""
    protocol = MediaProtocol()

    assert max(map(len, (protocol.mark(mark_id), *protocol.flush(), protocol.hang_up()))) <= MAX_COMMAND_BYTES


def test_a_flush_asks_for_its_confirmation_before_it_flushes():
    """FLUSH_MEDIA alone is never answered, and it leaves a pause in force."""
    assert commands(MediaProtocol().flush()) == ["REPORT_QUEUE_DRAINED", "FLUSH_MEDIA", "CONTINUE_MEDIA"]


def test_a_flush_takes_the_marks_with_it():
    """They are named when the flush is confirmed, and never come afterwards."""
    protocol = MediaProtocol()
    protocol.mark("a")
    protocol.mark("b")
    protocol.flush()

    assert protocol.receive(said("QUEUE_DRAINED")) == QueueDrained(lost_marks=("a", "b"))
    assert not protocol.flushing
    assert protocol.receive(said("MEDIA_MARK_PROCESSED", correlation_id="b")) == Unused(
        "MEDIA_MARK_PROCESSED"
    )


def test_a_mark_that_was_on_its_way_during_a_flush_was_heard():
    """The PBX played up to it before it read our command."""
    protocol = MediaProtocol()
    protocol.mark("a")
    protocol.mark("b")
    protocol.flush()

    assert protocol.receive(said("MEDIA_MARK_PROCESSED", correlation_id="a")) == MarkProcessed("a")
    assert protocol.receive(said("QUEUE_DRAINED")) == QueueDrained(lost_marks=("b",))


def test_a_flush_that_nobody_confirms_can_be_given_up():
    """The marks count as lost; the name is free again."""
    protocol = MediaProtocol()
    protocol.mark("a")
    protocol.flush()

    assert protocol.give_up_flush() == ("a",)
    assert protocol.marks_out == ()
    assert protocol.mark("a")


def test_marks_survive_a_drained_queue_that_no_flush_asked_for():
    """Only a flush loses marks."""
    protocol = MediaProtocol()
    protocol.mark("a")

    assert protocol.receive(said("QUEUE_DRAINED")) == QueueDrained()
    assert protocol.marks_out == ("a",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MEDIA_START connection_id:x",
        "[]",
        "{}",
        '{"event":7}',
        said("MEDIA_START", format="ulaw"),
        said("MEDIA_MARK_PROCESSED"),
        said("DTMF_END"),
        said("STATUS", queue_length="many"),
    ],
)
def test_malformed_is_an_error_of_its_own_and_changes_nothing(text: str):
    """It is told apart from a closed channel, and the next message is read."""
    protocol = MediaProtocol()
    with pytest.raises(MalformedControl):
        protocol.receive(text)

    assert protocol.receive(said("MEDIA_XOFF")) == FlowChanged(paused=True)


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_text_is_an_event_or_malformed(text: str):
    """No other exception, whatever arrives."""
    try:
        MediaProtocol().receive(text)
    except MalformedControl:
        return
