"""A call record reads as a conversation with its times."""

from __future__ import annotations

import io

from rich.console import Console

from trunkline.cli.call_page import STAGES, call_page, calls_table, clock, stage_times
from trunkline.conversation.latency import TurnLatency

CALL = {
    "id": "call-outbound-abc",
    "direction": "outbound",
    "status": "ended",
    "end_reason": "transferred",
    "error": None,
    "hangup": {"q850": 16, "sip": None, "cause": "normal_clearing"},
    "duration_seconds": 61.25,
    "transfer": {"status": "completed", "destination": "+31201000013"},
    "media": {"codec": "ulaw", "mos": 4.3, "jitter_ms": None},
    "caller_phone": "+31201000003",
    "created_at": "2026-11-21T10:00:00.000Z",
    "messages": [
        {"role": "assistant", "content": "Hello.", "start_ms": 120, "end_ms": 900},
        {"role": "user", "content": "Sorry, stop.", "start_ms": 65_300},
        {"role": "assistant", "content": "You go past", "start_ms": 2000, "interrupted": True},
    ],
    "latency": [
        {
            "turn": 1,
            "kind": "turn",
            "speech_end_ms": 4000,
            "final_text_ms": 90,
            "first_frame_ms": 420,
            "first_audio_ms": 400,
        }
    ],
}


def text(page: object) -> str:
    out = io.StringIO()
    Console(file=out, width=120, highlight=False).print(page)
    return out.getvalue()


def test_transcript_tells_who_spoke_when() -> None:
    """Each line has its time since the answer and its speaker; an interrupted one says so."""
    page = text(call_page(CALL))

    assert "0:00.1  assistant  Hello." in page
    assert "1:05.3  caller     Sorry, stop." in page
    assert "You go past — interrupted" in page


def test_ending_tells_the_pbx_verdict() -> None:
    """Hang-up cause, duration and transfer stand together; what is unknown is left out."""
    page = text(call_page(CALL))

    assert "16 normal_clearing" in page
    assert "61.2 s" in page
    assert "completed → +31201000013" in page
    assert "jitter" not in page


def test_stages_come_in_the_order_of_their_times() -> None:
    """What happened first stands first; a turn's other figures are no stages."""
    assert stage_times(CALL["latency"][0]) == [
        ("final_text", 90.0),
        ("first_audio", 400.0),
        ("first_frame", 420.0),
    ]


def test_stages_are_those_that_a_conversation_notes() -> None:
    """The page knows every stage of a turn's record."""
    record = TurnLatency(turn=1, kind="turn", origin_s=1.0, answered_s=0.0).as_json()

    assert set(STAGES) == {name.removesuffix("_ms") for name in record if name.endswith("_ms")} - {
        "speech_end",
        "barge_in_stop",
    }


def test_waterfall_draws_a_bar_for_each_stage() -> None:
    """Bars grow with time; the longest one fills the scale."""
    bars = [line for line in text(call_page(CALL)).splitlines() if "━" in line]

    assert len(bars) == 3
    assert bars[1].count("━") > bars[2].count("━")


def test_an_unanswered_call_has_a_page_too() -> None:
    """A record with nothing but its failure is shown without empty sections."""
    page = text(
        call_page(
            {
                "id": "call-outbound-x",
                "status": "failed",
                "end_reason": "busy",
                "error": "The line is busy.",
                "messages": [],
                "latency": [],
            }
        )
    )

    assert "failed · busy" in page
    assert "The line is busy." in page
    assert "Transcript" not in page


def test_list_has_a_line_a_call() -> None:
    """A withheld number is anonymous, an unknown duration blank."""
    page = text(calls_table([CALL, {**CALL, "caller_phone": None, "duration_seconds": None}]))

    assert "+31201000003" in page
    assert "anonymous" in page


def test_clock_counts_minutes() -> None:
    """Times are minutes, seconds and tenths."""
    assert (clock(59_960), clock(600_000), clock(None)) == ("1:00.0", "10:00.0", "")
