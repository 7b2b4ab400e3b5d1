"""Did it happen? Facts from what the API told, what we recorded and what the carrier recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from trunkline.cli.demo.scenario import GREETING, HANDOVER, NEWS, NOTICE, TURNS_WANTED, Story, as_line
from trunkline.cli.hearing import share_heard, word_error_rate

Json = Mapping[str, Any]

_GREETING_LIMIT_MS: Final = 300.0
_SENTENCE_HEARD: Final = 0.7
"""Share of a sentence's words that a small recogniser must give back from telephone audio for it to count as heard."""
_INTELLIGIBLE: Final = 0.25
"""Word error rate up to which a whole side of a talk counts as intelligible."""
_LEAST_SPEECH_S: Final = 3.0
_AFTER_TRANSFER_S: Final = 1.0
_NORMAL: Final = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """One track of a recording: how long somebody speaks on it, and the words."""

    speech_s: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the verdict rests on.

    Attributes:
        story: what the event stream told while the call ran.
        record: the Call object of `GET /calls/{id}`.
        refused: commands that the API refused, by name, with its reason.
        recording: path of the downloaded stereo file; None where there is none.
        caller, assistant: the recording's left and right channel up to the transfer.
        after_transfer: its right channel after the transfer.
        far_heard: the carrier's own recording of what its caller heard, whole call.
        far_heard_after: the same, from the transfer on.
        first_sound_ms: from the answer to the first sound, at the carrier.
        caller_lines, agent_lines: what the two people say, to the letter.
        left_on_pbx: legs and bridges of ours that are still there after the end.
    """

    story: Story
    record: Json
    refused: Mapping[str, str]
    recording: str | None
    caller: Heard
    assistant: Heard
    after_transfer: Heard
    far_heard: Heard
    far_heard_after: Heard
    first_sound_ms: float | None
    caller_lines: Sequence[str]
    agent_lines: Sequence[str]
    left_on_pbx: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the demo claims, whether it was observed, and what was."""

    name: str
    holds: bool
    seen: str


def judge(evidence: Evidence) -> list[Fact]:
    """Every fact, in the order of the call."""
    return [
        *_talk(evidence),
        *_commands(evidence),
        *_transfer(evidence),
        *_end(evidence),
        *_recording(evidence),
    ]


def _talk(evidence: Evidence) -> Iterator[Fact]:
    story, record = evidence.story, evidence.record
    yield Fact("answered", story.answered and bool(record.get("started_at")), str(record.get("started_at")))
    lines = [as_line(message) for message in record.get("messages") or ()]
    spoken = [line for line in lines if line.role == "assistant"]
    first = spoken[0].content if spoken else ""
    yield Fact(
        "greeting",
        word_error_rate(GREETING, first) == 0
        and share_heard(GREETING, evidence.far_heard.text) >= _SENTENCE_HEARD,
        first,
    )
    at = evidence.first_sound_ms
    yield Fact(
        "greeting_in_time",
        at is not None and at <= _GREETING_LIMIT_MS,
        "nothing heard" if at is None else f"{at:.0f} ms after the answer",
    )
    turns = sum(line.role == "user" for line in lines)
    yield Fact(
        "turns",
        turns >= TURNS_WANTED and len(turn_times(record)) >= TURNS_WANTED,
        f"{turns} turns of the caller",
    )
    cut = [line for line in spoken if line.interrupted]
    stops = ", ".join(f"{ms:.0f} ms" for ms in story.barge_in_stop_ms)
    yield Fact(
        "barge_in",
        bool(cut) and bool(story.barge_in_stop_ms),
        f"assistant silent after {stops}" if stops else "nobody interrupted",
    )


def _commands(evidence: Evidence) -> Iterator[Fact]:
    told = " ".join(
        str(message.get("content"))
        for message in evidence.record.get("messages") or ()
        if message.get("role") == "assistant"
    )
    for name, text in (("inject-context", NEWS), ("say", NOTICE)):
        if name in evidence.refused or name not in evidence.story.asked_at_line:
            yield Fact(name, holds=False, seen=evidence.refused.get(name, "its moment did not come"))
            continue
        in_record, at_carrier = share_heard(text, told), share_heard(text, evidence.far_heard.text)
        holds = min(in_record, at_carrier) >= _SENTENCE_HEARD
        yield Fact(
            name, holds, f"{text!r}: {in_record:.0%} in the transcript, {at_carrier:.0%} at the carrier"
        )


def _transfer(evidence: Evidence) -> Iterator[Fact]:
    transfer: Json = evidence.record.get("transfer") or {}
    status = str(transfer.get("status"))
    seen = evidence.refused.get("transfer") or " ".join(
        str(part) for part in (status, transfer.get("destination"), transfer.get("error")) if part
    )
    yield Fact("transfer", evidence.story.transferred and status == "completed", seen)
    yield Fact(
        "handover_heard", share_heard(HANDOVER, evidence.far_heard.text) >= _SENTENCE_HEARD, f"{HANDOVER!r}"
    )
    best = max(
        (share_heard(line, evidence.far_heard_after.text) for line in evidence.agent_lines), default=0.0
    )
    yield Fact(
        "human_heard", best >= _SENTENCE_HEARD, f"the caller heard: {evidence.far_heard_after.text.strip()!r}"
    )


def _end(evidence: Evidence) -> Iterator[Fact]:
    record = evidence.record
    hangup: Json = record.get("hangup") or {}
    yield Fact(
        "ended",
        record.get("status") == "ended" and record.get("end_reason") == "transferred",
        f"{record.get('status')}, {record.get('end_reason')}",
    )
    yield Fact("hangup", hangup.get("q850") == _NORMAL, f"{hangup.get('q850')} {hangup.get('cause')}")
    live = [(line.role, line.content) for line in evidence.story.lines if line.role in ("user", "assistant")]
    kept = [
        (line.role, line.content)
        for line in map(as_line, record.get("messages") or ())
        if line.role in ("user", "assistant")
    ]
    yield Fact(
        "record",
        bool(kept) and live == kept and bool(record.get("duration_seconds")),
        f"{len(kept)} lines, {record.get('duration_seconds')} s",
    )
    yield Fact(
        "nothing_left", not evidence.left_on_pbx, ", ".join(evidence.left_on_pbx) or "no leg, no bridge"
    )


def _recording(evidence: Evidence) -> Iterator[Fact]:
    yield Fact("recording", evidence.recording is not None, evidence.recording or "none")
    seconds = (
        f"caller {evidence.caller.speech_s:.1f} s, assistant {evidence.assistant.speech_s:.1f} s of speech"
    )
    yield Fact(
        "both_channels",
        min(evidence.caller.speech_s, evidence.assistant.speech_s) >= _LEAST_SPEECH_S,
        seconds,
    )
    said = " ".join(
        str(message.get("content"))
        for message in evidence.record.get("messages") or ()
        if message.get("role") == "assistant"
    )
    yield _intelligible("assistant_intelligible", said, evidence.assistant.text)
    yield _intelligible("caller_intelligible", " ".join(evidence.caller_lines), evidence.caller.text)
    after = evidence.after_transfer
    yield Fact(
        "human_recorded", after.speech_s >= _AFTER_TRANSFER_S, f"{after.speech_s:.1f} s after the transfer"
    )


def _intelligible(name: str, said: str, heard: str) -> Fact:
    rate = word_error_rate(said, heard)
    return Fact(name, bool(said) and rate <= _INTELLIGIBLE, f"word error rate {rate:.0%}")


def turn_times(record: Json) -> list[float]:
    """For each answer to the caller, the milliseconds from the end of their speech to the first frame sent."""
    turns = (turn for turn in record.get("latency") or () if turn.get("kind", "turn") == "turn")
    return [
        float(turn["first_frame_ms"]) for turn in turns if isinstance(turn.get("first_frame_ms"), int | float)
    ]


def summary(evidence: Evidence, facts: Sequence[Fact]) -> dict[str, Any]:
    """The one line for programs."""
    record = evidence.record
    times = turn_times(record)
    stops = evidence.story.barge_in_stop_ms
    failed = [fact.name for fact in facts if not fact.holds]
    return {
        "ok": not failed,
        "call_id": record.get("id"),
        "turns": sum(message.get("role") == "user" for message in record.get("messages") or ()),
        "barge_in_stop_ms": round(stops[0]) if stops else None,
        "answer_to_greeting_ms": None if evidence.first_sound_ms is None else round(evidence.first_sound_ms),
        "turn_p50_ms": round(median(times)) if times else None,
        "transfer": (record.get("transfer") or {}).get("status"),
        "recording": evidence.recording,
    } | ({"failed": failed} if failed else {})
