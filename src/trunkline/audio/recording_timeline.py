"""Where each sound of a call belongs on one time line of two channels: the caller left, the assistant right. Pure.

Sound comes with the time at which it began, by one monotonic clock. Rules:

1. A stretch that begins within `TOLERANCE_S` of where the one before it ended follows it sample by sample: arrival times
   tremble, speech does not.
2. A stretch that begins later leaves a gap of silence.
3. A burst after a gap was held up on its way: while that gap is not written, the burst moves back into it.
4. What still lies more than `SLACK_S` ahead of its time (a sender's clock that runs fast) loses its beginning, so that the two
   channels never drift apart.
5. `take` yields what can't change any more; at most `HORIZON_S` and what came since the last `take` is held.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.formats import AudioFormat
from trunkline.audio.g711 import decoder

Samples = NDArray[np.int16]

TOLERANCE_S: Final = 0.06
SLACK_S: Final = 0.2
HORIZON_S: Final = 1.0


@dataclass(slots=True)
class _Run:
    """Sounds without a gap between them, as they came: decoding waits until a whole second can be done at once.

    `start` and `end` are samples since the start of the recording.
    """

    start: int
    end: int
    pieces: list[bytes] = field(default_factory=list)


class _Track:
    """One channel."""

    def __init__(self, audio: AudioFormat) -> None:
        self._width = audio.bytes_per_sample
        self._decode = decoder(audio)
        self._tolerance = round(TOLERANCE_S * audio.rate_hz)
        self._slack = round(SLACK_S * audio.rate_hz)
        self._runs: deque[_Run] = deque()
        self._taken = 0  # samples that were yielded

    @property
    def end(self) -> int:
        """Where its last sound ends."""
        return max(self._taken, self._runs[-1].end if self._runs else 0)

    def place(self, wanted: int, frames: bytes) -> None:
        """Puts a stretch where it belongs; `wanted` may be long past."""
        if not self._runs or self._runs[-1].end < self._taken or wanted - self.end > self._tolerance:
            start = max(wanted, self.end)
            self._runs.append(_Run(start, start))
        run = self._runs[-1]
        ahead = run.end - wanted
        if ahead > self._tolerance:
            ahead -= self._move_back(run, ahead)
        if ahead > self._slack:
            frames = frames[ahead * self._width :]
        if frames:
            run.pieces.append(frames)
            run.end += len(frames) // self._width

    def take(self, upto: int) -> Samples:
        """Everything before `upto`, silence in the gaps."""
        taken = np.zeros(max(0, upto - self._taken), np.int16)
        while self._runs and self._runs[0].start < upto:
            run = self._runs.popleft()
            sound = b"".join(run.pieces)
            cut = min(run.end, upto) - run.start
            taken[run.start - self._taken : run.start - self._taken + cut] = self._decode(
                sound[: cut * self._width]
            )
            if run.end > upto or not self._runs:
                # What is not due yet stays; so does the end of a run, for what follows it.
                self._runs.appendleft(
                    _Run(run.start + cut, run.end, [sound[cut * self._width :]] if run.end > upto else [])
                )
                break
        self._taken = max(self._taken, upto)
        return taken

    def _move_back(self, run: _Run, ahead: int) -> int:
        """Moves the last run into the gap before it, by at most `ahead`; returns by how much."""
        before = self._runs[-2].end if len(self._runs) > 1 else 0
        shift = max(0, min(ahead, run.start - max(before, self._taken)))
        run.start -= shift
        run.end -= shift
        return shift


class RecordingTimeline:
    """Places the sounds of both parties and yields interleaved stereo.

    Args:
        audio: the format of both parties' frames.
        start_s: the monotonic time of the recording's first sample; sound before it is cut.
    """

    def __init__(self, audio: AudioFormat, start_s: float) -> None:
        self.rate_hz = audio.rate_hz
        self.start_s = start_s
        self._width = audio.bytes_per_sample
        self._caller = _Track(audio)
        self._assistant = _Track(audio)
        self._taken = 0

    @property
    def taken_s(self) -> float:
        """How much was yielded, in seconds."""
        return self._taken / self.rate_hz

    def place_caller(self, frames: bytes, at_s: float) -> None:
        """The caller's sound that began at `at_s`."""
        self._place(self._caller, frames, at_s)

    def place_assistant(self, frames: bytes, at_s: float) -> None:
        """The assistant's sound that began to be heard at `at_s`."""
        self._place(self._assistant, frames, at_s)

    def take(self, now_s: float) -> Samples:
        """What is settled at `now_s`: all that lies `HORIZON_S` back. Shape (samples, 2), maybe empty."""
        return self._take(round((now_s - HORIZON_S - self.start_s) * self.rate_hz))

    def finish(self, end_s: float | None = None, most_s: float = 10.0) -> Samples:
        """The rest, up to the last sound or to `end_s` where that is later: at most `most_s` at once, empty when all was given."""
        end = max(self._caller.end, self._assistant.end)
        if end_s is not None:
            end = max(end, round((end_s - self.start_s) * self.rate_hz))
        return self._take(min(end, self._taken + round(most_s * self.rate_hz)))

    def _place(self, track: _Track, frames: bytes, at_s: float) -> None:
        wanted = round((at_s - self.start_s) * self.rate_hz)
        if wanted < 0:
            frames, wanted = frames[-wanted * self._width :], 0
        if frames:
            track.place(wanted, frames)

    def _take(self, upto: int) -> Samples:
        if upto <= self._taken:
            return np.zeros((0, 2), np.int16)
        self._taken = upto
        return np.stack((self._caller.take(upto), self._assistant.take(upto)), axis=1)
