"""The demo says ok only when every fact was observed, and names each that was not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trunkline.cli.demo.judge import Evidence, Heard, judge, summary
from trunkline.cli.demo.scenario import GREETING, HANDOVER, NEWS, NOTICE, Line, Story
from trunkline.local_pbx.subscribers import subscriber

CALLER = [line.text for line in subscriber("demo").lines[:5]]
AGENT = [line.text for line in subscriber("agent").lines]
ANSWERS = [
    "What is your name?",
    "When would you like to come?",
    "We are in Harbour Street, take tram five",
    "Yes, parking is free.",
]


def talk() -> list[dict[str, Any]]:
    lines = [{"role": "assistant", "content": GREETING}]
    for number, (asked, answer) in enumerate(zip(CALLER[:4], ANSWERS, strict=True)):
        lines.append({"role": "user", "content": asked})
        lines.append({"role": "assistant", "content": answer, "interrupted": number == 2})
    lines += [{"role": "assistant", "content": NEWS}, {"role": "assistant", "content": NOTICE}]
    return [*lines, {"role": "user", "content": CALLER[4]}, {"role": "assistant", "content": HANDOVER}]


def everything() -> Evidence:
    messages = talk()
    assistant = " ".join(line["content"] for line in messages if line["role"] == "assistant")
    lines = [
        Line(line["role"], line["content"], interrupted=line.get("interrupted", False)) for line in messages
    ]
    asked = {"inject-context": 9, "say": 10, "transfer": 12}
    return Evidence(
        story=Story(
            answered=True, lines=lines, barge_in_stop_ms=[180.0], transferred=True, asked_at_line=asked
        ),
        record={
            "id": "call-outbound-abc",
            "status": "ended",
            "end_reason": "transferred",
            "started_at": "2026-11-21T10:00:00.000Z",
            "duration_seconds": 71.0,
            "hangup": {"q850": 16, "sip": None, "cause": "normal_clearing"},
            "transfer": {"status": "completed", "destination": "+31201000013", "error": None},
            "messages": messages,
            "latency": [{"kind": "greeting", "first_frame_ms": 8}]
            + [{"kind": "turn", "first_frame_ms": ms} for ms in (400, 500, 600, 450, 900)],
        },
        refused={},
        recording="/var/demo/call.wav",
        caller=Heard(9.0, " ".join(CALLER)),
        assistant=Heard(24.0, assistant),
        after_transfer=Heard(3.0, " ".join(AGENT)),
        far_heard=Heard(28.0, f"{assistant} {' '.join(AGENT)}"),
        far_heard_after=Heard(3.0, " ".join(AGENT)),
        first_sound_ms=120.0,
        caller_lines=CALLER,
        agent_lines=AGENT,
    )


def failed(evidence: Evidence) -> list[str]:
    return [fact.name for fact in judge(evidence) if not fact.holds]


def test_a_whole_call_is_ok() -> None:
    """With every fact observed nothing is failed, and the line for programs says so."""
    evidence = everything()

    assert failed(evidence) == []
    assert summary(evidence, judge(evidence)) == {
        "ok": True,
        "call_id": "call-outbound-abc",
        "turns": 5,
        "barge_in_stop_ms": 180,
        "answer_to_greeting_ms": 120,
        "turn_p50_ms": 500,
        "transfer": "completed",
        "recording": "/var/demo/call.wav",
    }


def without(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, record={**evidence.record, **changes})


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda e: without(e, started_at=None), ["answered"]),
        (lambda e: replace(e, first_sound_ms=None), ["greeting_in_time"]),
        (lambda e: replace(e, first_sound_ms=900.0), ["greeting_in_time"]),
        (lambda e: without(e, latency=e.record["latency"][:4]), ["turns"]),
        (lambda e: replace(e, story=replace(e.story, barge_in_stop_ms=[])), ["barge_in"]),
        (lambda e: replace(e, refused={"say": "Bad request (HTTP 400)"}), ["say"]),
        (lambda e: replace(e, far_heard=Heard(20.0, e.far_heard.text.replace(NEWS, ""))), ["inject-context"]),
        (
            lambda e: replace(e, far_heard=Heard(20.0, e.far_heard.text.replace(HANDOVER, ""))),
            ["handover_heard"],
        ),
        (lambda e: without(e, transfer={"status": "failed", "error": "user_busy"}), ["transfer"]),
        (lambda e: replace(e, far_heard_after=Heard(0.0, "")), ["human_heard"]),
        (lambda e: without(e, end_reason="user_hangup"), ["ended"]),
        (lambda e: without(e, hangup={"q850": 0, "sip": None, "cause": "pbx_lost"}), ["hangup"]),
        (lambda e: without(e, duration_seconds=0), ["record"]),
        (lambda e: replace(e, left_on_pbx=["tl-abc-caller-1"]), ["nothing_left"]),
        (lambda e: replace(e, recording=None), ["recording"]),
        (lambda e: replace(e, caller=Heard(0.0, e.caller.text)), ["both_channels"]),
        (lambda e: replace(e, assistant=Heard(24.0, "mumble mumble")), ["assistant_intelligible"]),
        (lambda e: replace(e, caller=Heard(9.0, "mumble")), ["caller_intelligible"]),
        (lambda e: replace(e, after_transfer=Heard(0.0, "")), ["human_recorded"]),
    ],
)
def test_a_missing_fact_fails_by_its_name(change: Any, names: list[str]) -> None:
    """Each fact stands alone: taking it away fails that fact and no other."""
    assert failed(change(everything())) == names


def test_a_line_that_the_record_lost_is_noticed() -> None:
    """What was told live and what the record keeps must be the same."""
    evidence = everything()
    evidence = without(evidence, messages=[*evidence.record["messages"][:-1]])

    assert "record" in failed(evidence)


def test_failures_are_named_for_programs() -> None:
    """The last line lists what failed."""
    evidence = replace(everything(), recording=None, left_on_pbx=["tl-x"])

    told = summary(evidence, judge(evidence))
    assert (told["ok"], told["failed"]) == (False, ["nothing_left", "recording"])


def test_a_call_that_never_happened_is_judged_too() -> None:
    """With nothing observed everything fails, and nothing raises."""
    nothing = Heard()
    evidence = Evidence(
        Story(), {}, {}, None, nothing, nothing, nothing, nothing, nothing, None, CALLER, AGENT
    )

    assert set(failed(evidence)) == {fact.name for fact in judge(evidence)} - {"nothing_left"}
    assert summary(evidence, judge(evidence))["turn_p50_ms"] is None
