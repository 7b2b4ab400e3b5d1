"""The play: who the assistant is, and what the API is asked for at which moment. Pure.

Moments hang on what was heard, never on time: each fires once, as soon as its condition holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Mapping[str, Any]

GREETING: Final = "Hello, this is Harbour Dental. How can I help you?"
NEWS: Final = "Doctor Brown will see you on Friday."
"""Given to the assistant by `inject-context` with `trigger_response`; it must tell the caller."""
NOTICE: Final = "We look forward to seeing you."
"""Put into the assistant's mouth by `say`."""
HANDOVER: Final = "You are now being connected."
"""Spoken and heard before the transfer."""

ASSISTANT: Final[Json] = {
    "name": "Harbour Dental receptionist",
    "business_name": "Harbour Dental",
    "first_message": GREETING,
    "max_duration_seconds": 240,
    "stt_config": {"provider": "whisper", "model": "tiny.en", "language": "en"},
    "llm_config": {"provider": "flow", "model": "receptionist"},
    "tts_config": {"provider": "hibari", "voice_id": "heart", "speed": 1.2},
    "speech_config": {"turn_taking": {"interruption_min_duration": 0.15}},
}
TURNS_WANTED: Final = 4

_PAUSE_S: Final = 0.8


@dataclass(frozen=True, slots=True)
class Line:
    """Something said, as the transcript has it; times in milliseconds since the answer."""

    role: str
    content: str
    start_ms: float | None = None
    end_ms: float | None = None
    interrupted: bool = False


@dataclass(slots=True)
class Story:
    """What the call told so far."""

    answered: bool = False
    lines: list[Line] = field(default_factory=list)
    barge_in_stop_ms: list[float] = field(default_factory=list)
    turns: list[Json] = field(default_factory=list)
    transferred: bool = False
    ended: Json | None = None
    asked_at_line: dict[str, int] = field(default_factory=dict)

    def hear(self, event: Json) -> None:
        """Takes the next event of the call."""
        data: Json = event.get("data") or {}
        match event.get("type"):
            case "in-progress":
                self.answered = True
            case "transcript":
                self.lines.append(as_line(data))
            case "barge_in" if isinstance(data.get("stop_ms"), int | float):
                self.barge_in_stop_ms.append(float(data["stop_ms"]))
            case "turn":
                self.turns.append(data)
            case "transferred":
                self.transferred = True
            case "ended":
                self.ended = data

    def said_since(self, moment: str, role: str) -> list[Line]:
        """What one side said, heard to its end, since a moment fired; nothing before it fired."""
        start = self.asked_at_line.get(moment)
        return (
            []
            if start is None
            else [line for line in self.lines[start:] if line.role == role and not line.interrupted]
        )


def as_line(message: Json) -> Line:
    """A transcript entry of an event or of the record."""
    return Line(
        role=str(message.get("role", "")),
        content=str(message.get("content") or ""),
        start_ms=message.get("start_ms"),
        end_ms=message.get("end_ms"),
        interrupted=bool(message.get("interrupted")),
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """A command of the API and when it is due.

    Attributes:
        pause_s: silence that is left before it, as between two sentences; shorter than the caller's patience.
    """

    name: str
    body: Json
    due: Callable[[Story], bool]
    pause_s: float = 0.0


def moments(agent_number: str) -> tuple[Moment, ...]:
    """The commands of the demo, each due after the one before has been heard.

    Args:
        agent_number: the human who takes the transferred call.
    """
    return (
        Moment(
            "inject-context",
            {"type": "inject-context", "content": NEWS, "trigger_response": True},
            _answered_the_barge_in,
            _PAUSE_S,
        ),
        Moment(
            "say",
            {"type": "say", "content": NOTICE},
            lambda story: bool(story.said_since("inject-context", "assistant")),
            _PAUSE_S,
        ),
        Moment(
            "transfer",
            {"type": "transfer", "destination": agent_number, "message": HANDOVER},
            _asked_for_a_human,
        ),
    )


def _answered_the_barge_in(story: Story) -> bool:
    """The caller interrupted, and the answer to that was heard to its end."""
    cut = next(
        (place for place, line in enumerate(story.lines) if line.role == "assistant" and line.interrupted),
        None,
    )
    if cut is None or not story.barge_in_stop_ms:
        return False
    roles = [line.role for line in story.lines[cut + 1 :] if not line.interrupted]
    return "user" in roles and "assistant" in roles[roles.index("user") :]


def _asked_for_a_human(story: Story) -> bool:
    """The caller spoke after the notice, or asked for a human earlier than planned; then nothing is left to wait for."""
    return bool(story.said_since("say", "user")) or any(
        line.role == "user" and "human" in line.content.lower() for line in story.lines
    )


def due(story: Story, script: tuple[Moment, ...]) -> Moment | None:
    """The next moment that has come, and notes that it fired."""
    for moment in script:
        if moment.name not in story.asked_at_line and moment.due(story):
            story.asked_at_line[moment.name] = len(story.lines)
            return moment
    return None
