"""When a caller starts, pauses and goes on speaking: the segmenter over a detector's scores, and the detector without a model.

Pure: the time of each frame comes in with it. Where a turn ends is not decided here; whoever decides tells `finish`.

            scores over `start_threshold` for `start_ms`          nothing over `keep_threshold` for `pause_ms`
   QUIET ───────────────────────────────────────────► SPEAKING ───────────────────────────────────────────► PAUSED
     ▲                    SpeechStarted                   ▲          SpeechPaused                             │  │
     │                                                    └──── over `start_threshold` for `resume_ms` ───────┘  │
     └──────────────────────────────────── finish() ─────────────────────────────────────────────────────────────┘
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from trunkline.audio.formats import PTIME_MS


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How sure and how long. Thresholds are probabilities of speech, 0 to 1.

    Attributes:
        start_threshold: a frame over this may begin speech.
        barge_in_threshold: the same while the assistant speaks, when an echo or a neighbour must not pass for the caller.
        keep_threshold: a frame over this still belongs to speech that has begun. Lower than the others, so that soft ends count.
        start_ms: so much over the threshold, less what was under it since, is speech. Multiples of 20.
        resume_ms: the same after a pause.
        pause_ms: a pause is told after so much silence.
        pad_ms: speech is told to have begun so much earlier than its first sure frame, as soft sounds come first.
    """

    start_threshold: float = 0.5
    barge_in_threshold: float = 0.7
    keep_threshold: float = 0.35
    start_ms: int = 60
    resume_ms: int = 40
    pause_ms: int = 200
    pad_ms: int = 160

    def __post_init__(self) -> None:
        if not 0 < self.keep_threshold <= self.start_threshold <= self.barge_in_threshold <= 1:
            raise ValueError("Thresholds must rise from keep to start to barge-in, between 0 and 1.")
        if min(self.start_ms, self.resume_ms, self.pause_ms) < PTIME_MS or self.pad_ms < 0:
            raise ValueError("Voice times must be at least one frame; the pad at least 0.")


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began to speak `preroll_ms` before `at_ms` (the pad included)."""

    at_ms: float
    preroll_ms: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The caller has been silent since `since_ms`, the end of the last frame with speech."""

    at_ms: float
    since_ms: float


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The caller went on, within the same turn, `preroll_ms` before `at_ms`."""

    at_ms: float
    preroll_ms: int


VoiceEvent = SpeechStarted | SpeechPaused | SpeechResumed


class _State(Enum):
    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSED = "paused"


class SpeechSegmenter:
    """Turns scores into starts, pauses and resumptions. One a leg; times are milliseconds on any one clock and never go back."""

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        self._settings = settings or VoiceSettings()
        self._state = _State.QUIET
        self._threshold = self._settings.start_threshold
        self._voiced_ms = 0  # evidence for speech while there is none yet
        self._first_voiced_ms = 0.0  # start of the first frame of that evidence
        self._last_voiced_ms = 0.0  # end of the last frame with speech

    @property
    def is_speaking(self) -> bool:
        """The caller speaks now; false in pauses."""
        return self._state is _State.SPEAKING

    @property
    def is_in_turn(self) -> bool:
        """The caller speaks, or has paused in a turn that nobody has finished."""
        return self._state is not _State.QUIET

    def assistant_speaks(self, *, speaking: bool) -> None:
        """Raises the bar for a start while the assistant is heard."""
        self._threshold = self._settings.barge_in_threshold if speaking else self._settings.start_threshold

    def finish(self) -> None:
        """The turn is over: what comes next starts a new one. Speech that goes on meanwhile starts it."""
        self._state = _State.QUIET
        self._voiced_ms = 0

    def push(self, probability: float, at_ms: float) -> list[VoiceEvent]:
        """Takes the score of the frame that ended at `at_ms`; returns what it shows, at most one of each kind."""
        if self._state is _State.SPEAKING:
            if probability >= self._settings.keep_threshold:
                self._last_voiced_ms = at_ms
            return self.passed(at_ms)
        return self._gather(probability, at_ms)

    def passed(self, at_ms: float) -> list[VoiceEvent]:
        """Time went by without a frame (a caller whose phone sends nothing in silence)."""
        if self._state is not _State.SPEAKING or at_ms - self._last_voiced_ms < self._settings.pause_ms:
            return []
        self._state = _State.PAUSED
        self._voiced_ms = 0
        return [SpeechPaused(at_ms, self._last_voiced_ms)]

    def _gather(self, probability: float, at_ms: float) -> list[VoiceEvent]:
        if probability < self._threshold:
            self._voiced_ms = max(0, self._voiced_ms - PTIME_MS)
            return []
        if self._voiced_ms == 0:
            self._first_voiced_ms = at_ms - PTIME_MS
        self._voiced_ms += PTIME_MS
        starting = self._state is _State.QUIET
        if self._voiced_ms < (self._settings.start_ms if starting else self._settings.resume_ms):
            return []
        self._state = _State.SPEAKING
        self._voiced_ms = 0
        self._last_voiced_ms = at_ms
        preroll_ms = round(at_ms - self._first_voiced_ms) + self._settings.pad_ms
        return [SpeechStarted(at_ms, preroll_ms) if starting else SpeechResumed(at_ms, preroll_ms)]


_SMOOTHED_FRAMES: Final = 3


class WebRtcDetector:
    """A `VoiceDetector` without a model: WebRTC's Gaussian mixture on 20 ms frames, a few microseconds each.

    It is quick to hear a voice and easily takes noise for one; the score is the share of the last three frames it took for
    speech.

    Args:
        rate_hz: 8000 or 16000.
        aggressiveness: 0 (takes most for speech) to 3 (least).
    """

    def __init__(self, rate_hz: int, aggressiveness: int = 3) -> None:
        if rate_hz not in (8000, 16000):
            raise ValueError(f"WebRTC's detector takes 8000 or 16000 Hz, not {rate_hz}.")
        self._rate_hz = rate_hz
        self._aggressiveness = aggressiveness
        self.reset()

    def push(self, frame: NDArray[np.int16]) -> float:
        """Scores the next 20 ms.

        Raises:
            ValueError: the frame is not 20 ms long.
        """
        if len(frame) * 1000 != self._rate_hz * PTIME_MS:
            raise ValueError(f"A frame of {len(frame)} samples is not {PTIME_MS} ms.")
        self._recent.append(bool(self._vad.is_speech(frame.tobytes(), self._rate_hz)))
        return sum(self._recent) / _SMOOTHED_FRAMES

    def reset(self) -> None:
        """Forgets the stream so far."""
        self._vad = webrtcvad.Vad(self._aggressiveness)
        self._recent: deque[bool] = deque(maxlen=_SMOOTHED_FRAMES)
