"""What happens in a talk, and what is to be done: the words between the turn machine and whoever carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Timer = Literal["transcript", "end_of_turn", "interruption", "false_interruption"]


# --- what happens -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """The caller's voice, heard since `onset_s`; `preroll_ms` before now is where listening must begin."""

    at_s: float
    onset_s: float
    preroll_ms: int


@dataclass(frozen=True, slots=True)
class VoicePaused:
    """Silence since `since_s`."""

    at_s: float
    since_s: float


@dataclass(frozen=True, slots=True)
class Understood:
    """A transcript of utterance `utterance`, the latest or (`is_final`) the last one; empty where nothing was understood."""

    at_s: float
    utterance: int
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class TranscriptionFailed:
    """Utterance `utterance` gets no further transcript; what was understood so far has to do."""

    at_s: float
    utterance: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that was started and not stopped ran out. `voiced_until_s` is when the caller was last heard."""

    at_s: float
    timer: Timer
    voiced_until_s: float


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """The caller pressed keys; `text` tells the model so."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """Everything of the reply was heard (or there was nothing to hear); `last_sentence` is what it ended with."""

    at_s: float
    last_sentence: str


Plain = Literal["reply_wanted", "farewell_wanted", "reply_started", "suspend", "resume", "close"]


@dataclass(frozen=True, slots=True)
class Told:
    """What needs no words."""

    at_s: float
    what: Plain


Event = (
    VoiceStarted
    | VoicePaused
    | Understood
    | TranscriptionFailed
    | TimerFired
    | KeysPressed
    | ReplyEnded
    | Told
)


# --- what to do ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartUtterance:
    """Listen from `preroll_ms` before now."""

    utterance: int
    preroll_ms: int


@dataclass(frozen=True, slots=True)
class ResumeUtterance:
    """The utterance goes on."""

    utterance: int


@dataclass(frozen=True, slots=True)
class FinishUtterance:
    """The utterance paused; its final transcript is wanted."""

    utterance: int


@dataclass(frozen=True, slots=True)
class PrepareReply:
    """Make the reply to `text`, which ended at `speech_end_s`, and keep it back."""

    text: str
    speech_end_s: float


@dataclass(frozen=True, slots=True)
class ReleaseReply:
    """The reply may be heard, from where it stopped."""


@dataclass(frozen=True, slots=True)
class WithholdReply:
    """Stop at once; it may go on later."""


@dataclass(frozen=True, slots=True)
class DropReply:
    """It will never go on."""


@dataclass(frozen=True, slots=True)
class CommitTurn:
    """The caller's turn stands. Times are monotonic seconds."""

    text: str
    speech_start_s: float
    speech_end_s: float


@dataclass(frozen=True, slots=True)
class BargedIn:
    """The caller took the floor with a voice that began at `onset_s`."""

    onset_s: float


@dataclass(frozen=True, slots=True)
class NextReply:
    """Say what waits to be said."""


@dataclass(frozen=True, slots=True)
class FreeFloor:
    """Nobody speaks and nothing is being prepared."""


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Come back with `TimerFired` after so long; replaces the timer that runs."""

    timer: Timer
    seconds: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """The timer that runs, if any, is not wanted any more."""


Action = (
    StartUtterance
    | ResumeUtterance
    | FinishUtterance
    | PrepareReply
    | ReleaseReply
    | WithholdReply
    | DropReply
    | CommitTurn
    | BargedIn
    | NextReply
    | FreeFloor
    | StartTimer
    | CancelTimer
)
