"""From one sample rate to another: a streaming converter with little delay, and one for whole stretches. Pure.

Both are polyphase filters under a Kaiser window. The ratio is exact, so a stream never drifts: after n samples in,
n * to_hz / from_hz came out, rounded up.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_STREAM_REACH: Final = 16
"""Samples of the lower rate on each side of an output sample: 2 ms of delay at 8 kHz, flat to 3 kHz."""

_WHOLE_REACH: Final = 32
_KAISER_BETA: Final = 7.0  # about 70 dB down
_FEW_PHASES: Final = 8
_BLOCK: Final = (
    4096  # output samples at once where windows are copied, so that a long stretch needs little memory
)


@lru_cache(maxsize=32)
def _bank(up: int, down: int, reach: int) -> NDArray[np.float32]:
    """The filter cut into `up` phases: row p gives the output that lies p/`up` of an input step after its newest sample."""
    wider = max(up, down)
    half = reach * wider
    # The band ends early enough for the slope to be over at half of the lower rate.
    cutoff = (1.0 - 0.6 * _KAISER_BETA / np.pi / reach) / wider
    at = np.arange(-half, half + 1)
    prototype = up * cutoff * np.sinc(cutoff * at) * np.kaiser(len(at), _KAISER_BETA)
    taps = -(-len(prototype) // up)
    padded = np.zeros(taps * up)
    padded[: len(prototype)] = prototype
    phases = padded.reshape(taps, up).T[:, ::-1]
    return np.ascontiguousarray(phases / phases.sum(axis=1, keepdims=True), dtype=np.float32)


class Resampler:
    """A stream at another rate. Frames in, what is ready out; keeps the samples that the next frames need.

    Attributes:
        delay_ms: how much later a sound comes out than it went in.
    """

    def __init__(self, from_hz: int, to_hz: int, *, reach: int = _STREAM_REACH) -> None:
        common = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        self._phases = _bank(self._up, self._down, reach)
        self._taps = self._phases.shape[1]
        self.delay_ms = (
            0.0 if from_hz == to_hz else reach * max(self._up, self._down) * 1000 / (from_hz * self._up)
        )
        self.reset()

    def reset(self) -> None:
        """Forgets the stream so far."""
        self._held: NDArray[np.float32] = np.zeros(self._taps - 1, np.float32)
        self._phase = 0  # of the next output sample
        self._skip = 0  # input samples until it

    def push(self, samples: Samples) -> Samples:
        """Takes the next samples and returns what they complete."""
        if self._up == self._down:
            return samples
        return to_int16(self._convert(samples))

    def finish(self) -> Samples:
        """The end of the stream, drained by as much silence as the delay; the stream is then as new."""
        tail = (
            self.push(np.zeros(self._taps // 2, np.int16))
            if self._up != self._down
            else np.zeros(0, np.int16)
        )
        self.reset()
        return tail

    def _convert(self, samples: Samples) -> NDArray[np.float32]:
        line = np.concatenate((self._held, samples), dtype=np.float32)
        ready = len(samples) - self._skip  # input steps that can be used
        count = max(0, -(-(ready * self._up - self._phase) // self._down))
        output = self._by_phase(line, count) if self._up <= _FEW_PHASES else self._by_sample(line, count)
        ahead = self._phase + self._down * count
        self._skip += ahead // self._up - len(samples)
        self._phase = ahead % self._up
        self._held = line[len(samples) :]
        return output

    def _by_phase(self, line: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """Every `up`-th output sample has the same phase and lies `down` input steps on: one product for all of them."""
        output = np.empty(count, np.float32)
        size = line.itemsize
        for first in range(min(self._up, count)):
            steps = self._phase + self._down * first
            rows = -(-(count - first) // self._up)
            # Overlapping rows of one buffer; the last row ends where the samples end.
            windows: NDArray[np.float32] = np.ndarray(
                (rows, self._taps),
                np.float32,
                line,
                (self._skip + steps // self._up) * size,
                (self._down * size, size),
            )
            output[first :: self._up] = np.einsum("ij,j->i", windows, self._phases[steps % self._up])
        return output

    def _by_sample(self, line: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """For odd ratios such as 160 to 441: a window and a phase for each output sample."""
        output = np.empty(count, np.float32)
        if count == 0:
            return output
        windows = sliding_window_view(line, self._taps)
        for at in range(0, count, _BLOCK):
            steps = self._phase + self._down * np.arange(at, min(at + _BLOCK, count))
            output[at : at + _BLOCK] = np.einsum(
                "ij,ij->i", windows[self._skip + steps // self._up], self._phases[steps % self._up]
            )
        return output


def resample_whole(pcm: Samples, from_hz: int, to_hz: int) -> Samples:
    """A finished stretch at another rate, without delay: sounds stay where they were, and its length is the rounded exact one."""
    if from_hz == to_hz:
        return pcm
    wanted = (len(pcm) * to_hz + from_hz // 2) // from_hz
    stream = Resampler(from_hz, to_hz, reach=_WHOLE_REACH)
    lead = round(stream.delay_ms * to_hz / 1000)
    tail = np.zeros((lead + 1) * from_hz // to_hz + 1, np.int16)
    return stream.push(np.concatenate((pcm, tail)))[lead : lead + wanted]


def to_int16(values: NDArray[np.float32]) -> Samples:
    """Rounds, and clips what overshoots."""
    values = np.rint(values)
    return values.clip(-32768, 32767, out=values).astype(np.int16)
