"""How long each stage of a turn took. Pure: whoever sees a stage pass notes the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Stage = Literal[
    "final_text",  # the final transcript came
    "end_of_turn",  # it was decided that the caller had finished
    "request",  # the model was asked (before the end of the turn, where the reply is made in advance)
    "first_token",  # the model's first piece
    "first_audio",  # the voice's first samples
    "first_frame",  # the first frame was given to the PBX
    "first_mark",  # the PBX said that it has played the first frame
]
ReplyKind = Literal["greeting", "turn", "injected", "say", "silence"]

_STAGES: Final[tuple[Stage, ...]] = (
    "final_text",
    "end_of_turn",
    "request",
    "first_token",
    "first_audio",
    "first_frame",
    "first_mark",
)


@dataclass(slots=True)
class TurnLatency:
    """The times of one reply. All are monotonic seconds; `as_json` gives milliseconds from `origin_s`.

    Attributes:
        turn: counts the replies of a call from 0.
        kind: what made us speak.
        origin_s: the end of the caller's speech; for a greeting the answer; else when the reply was asked for.
        answered_s: when the call was answered.
    """

    turn: int
    kind: ReplyKind
    origin_s: float
    answered_s: float
    speech_start_s: float | None = None
    stages: dict[Stage, float] = field(default_factory=dict)
    barge_in_s: float | None = None
    silent_s: float | None = None

    def note(self, stage: Stage, at_s: float) -> None:
        """A stage passed; only the first time counts."""
        self.stages.setdefault(stage, at_s)

    @property
    def was_sent(self) -> bool:
        """At least a frame of it went out."""
        return "first_frame" in self.stages

    @property
    def barge_in_stop_ms(self) -> int | None:
        """From the first sound of the caller to our silence, where the caller barged in."""
        if self.barge_in_s is None or self.silent_s is None:
            return None
        return round((self.silent_s - self.barge_in_s) * 1000)

    def as_json(self) -> dict[str, Any]:
        """`{turn, kind, speech_end_ms, <stage>_ms..., barge_in_stop_ms}`; null where a stage was not passed.

        `speech_end_ms` is `origin_s` since the answer. Stages made in advance may lie before the end of the turn, and never
        before the origin: what was ready earlier counts as 0.
        """
        after_origin = {
            f"{stage}_ms": max(0, round((self.stages[stage] - self.origin_s) * 1000))
            if stage in self.stages
            else None
            for stage in _STAGES
        }
        return {
            "turn": self.turn,
            "kind": self.kind,
            "speech_end_ms": round((self.origin_s - self.answered_s) * 1000),
            **after_origin,
            "barge_in_stop_ms": self.barge_in_stop_ms,
        }
