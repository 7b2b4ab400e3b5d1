"""The audio of one caller's utterance: a bounded buffer with pre-roll, and where it is quiet. Pure."""

from __future__ import annotations

import numpy as np

from trunkline.audio.formats import PTIME_MS
from trunkline.engines.port import Pcm

PREROLL_MS = 1_000
"""Audio kept from before an utterance."""
SEGMENT_MS = 7_000
"""An utterance longer than this is cut at its next gap: Whisper tends to stop at the end of a sentence when others follow."""
LEAST_SEGMENT_MS = 4_000
GAP_MS = 220
LONGEST_SEGMENT_MS = 14_000
"""One without a gap is cut here, at its quietest moment, so that memory and decoding time stay bounded."""
_CUT_WITHIN_MS = 5_000
_QUIET_RATIO = 0.05
_NOISE_RMS = 30.0


class UtteranceBuffer:
    """Keeps the last second while nobody speaks, and the whole utterance while somebody does.

    Positions are samples since the stream began, so they stay valid when audio is dropped at the front.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._frames: list[Pcm] = []
        self._rms: list[float] = []
        self._ends: list[int] = []
        self._dropped_to = 0
        self._loudest = 0.0
        self._quiet_frames = 0
        self._gap: int | None = None
        self.begin: int | None = None

    @property
    def end(self) -> int:
        """Where the next frame goes."""
        return self._ends[-1] if self._ends else self._dropped_to

    def samples(self, ms: float) -> int:
        """So many milliseconds in samples."""
        return int(ms * self.rate_hz / 1000)

    def push(self, frame: Pcm) -> None:
        """Appends a frame; drops what is older than the pre-roll while no utterance runs."""
        level = frame.astype(np.float32)
        rms = float(np.sqrt(np.dot(level, level) / max(1, len(frame))))
        self._loudest = max(self._loudest, rms)
        self._note_gap(rms)
        self._rms.append(rms)
        self._ends.append(self.end + len(frame))
        self._frames.append(frame)
        if self.begin is None and len(self._frames) > 2 * PREROLL_MS // PTIME_MS:
            self._drop_before(self.end - self.samples(PREROLL_MS))

    def start(self, preroll_ms: int) -> None:
        """An utterance began so long ago, or where the buffer begins."""
        self.begin = max(self._dropped_to, self.end - self.samples(preroll_ms))
        self._drop_before(self.begin)
        self._loudest = max(self._rms, default=0.0)
        self._gap = None

    def stop(self) -> None:
        """No utterance runs: what is older than the pre-roll may go."""
        self.begin = None
        self._drop_before(self.end - self.samples(PREROLL_MS))

    def audio(self, begin: int, end: int) -> Pcm:
        """A copy of the samples between two positions that are still held."""
        whole = np.concatenate(self._frames) if self._frames else np.zeros(0, np.int16)
        return whole[max(0, begin - self._dropped_to) : max(0, end - self._dropped_to)]

    def quiet_since(self, position: int) -> bool:
        """Whether all frames that end after `position` are far below the utterance's loudest one."""
        return self.quiet_between(position, self.end)

    def quiet_between(self, one: int, other: int) -> bool:
        """The same for the frames that end after the earlier position and not after the later one."""
        begin, end = sorted((one, other))
        limit = self._quiet_limit
        for rms, frame_end in zip(reversed(self._rms), reversed(self._ends), strict=True):
            if frame_end <= begin:
                return True
            if frame_end <= end and rms > limit:
                return False
        return True

    @property
    def _quiet_limit(self) -> float:
        return max(_NOISE_RMS, self._loudest * _QUIET_RATIO)

    def _note_gap(self, rms: float) -> None:
        """Remembers the middle of the last gap between words; called before the frame is appended."""
        if rms <= self._quiet_limit:
            self._quiet_frames += 1
            return
        if self.begin is not None and self._quiet_frames * PTIME_MS >= GAP_MS:
            middle = self.end - self.samples(self._quiet_frames * PTIME_MS) // 2
            if middle - self.begin >= self.samples(LEAST_SEGMENT_MS):
                self._gap = middle
        self._quiet_frames = 0

    def cut(self) -> int | None:
        """Where a too long utterance is best cut; None while it is short enough."""
        length = 0 if self.begin is None else self.end - self.begin
        if self._gap is not None and length >= self.samples(SEGMENT_MS):
            return self._gap
        return self._quietest() if length >= self.samples(LONGEST_SEGMENT_MS) else None

    def _quietest(self) -> int:
        """The middle of the quietest 100 ms of the last seconds."""
        span = 100 // PTIME_MS
        earliest = self.end - self.samples(_CUT_WITHIN_MS)
        first = next(n for n, end in enumerate(self._ends) if end > earliest)
        levels = np.convolve(np.asarray(self._rms[first:]), np.ones(span), mode="valid")
        return self._ends[first + int(np.argmin(levels)) + span // 2]

    def continue_from(self, position: int) -> None:
        """What lies before `position` has been understood and is no longer needed."""
        self.begin = position
        self._gap = None
        self._drop_before(position)

    def _drop_before(self, position: int) -> None:
        gone = sum(1 for end in self._ends if end <= position)
        if gone:
            self._dropped_to = self._ends[gone - 1]
            del self._frames[:gone], self._rms[:gone], self._ends[:gone]
