"""Whisper's log-mel spectrogram in numpy, straight from 8 kHz or 16 kHz. Pure.

Whisper wants 16 kHz, a 25 ms Hann window and a 10 ms hop. Telephone audio has nothing above 4 kHz, so its 8 kHz samples are transformed with
a window of as many milliseconds: the bins (40 Hz apart) are the same, the upper half is silence, and no resampling is needed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trunkline.engines.port import Pcm

FRAMES_PER_SECOND = 100
_MODEL_HZ = 16_000
_BINS = 201
_FLOOR = 1e-10
_RANGE_LOG10 = 8.0


def log_mel(pcm: Pcm, rate_hz: int, frames: int, mels: int) -> NDArray[np.float32]:
    """The features of `pcm`, padded with silence (or cut) to `frames` of 10 ms.

    Returns:
        float32 of shape (mels, frames), scaled as Whisper was trained: the loudest 8 decades mapped to a span of 2.
    """
    wanted = min(frames, len(pcm) * FRAMES_PER_SECOND // rate_hz + 2)
    power = _power_spectrum(pcm, rate_hz, wanted)
    filters = mel_filters(mels)[:, : power.shape[1]]
    mel = np.full((mels, frames), np.log10(_FLOOR), dtype=np.float32)
    mel[:, :wanted] = np.log10(np.maximum(filters @ power.T, _FLOOR))
    np.maximum(mel, mel.max() - _RANGE_LOG10, out=mel)
    mel += np.float32(4.0)
    mel /= np.float32(4.0)
    return mel


def _power_spectrum(pcm: Pcm, rate_hz: int, frames: int) -> NDArray[np.float32]:
    """Power per frame and bin, as a 16 kHz transform would give it: shape (frames, bins up to half the rate)."""
    size, hop = rate_hz // 40, rate_hz // FRAMES_PER_SECOND
    half = size // 2
    signal = np.zeros(half + max(len(pcm), frames * hop) + size, dtype=np.float32)
    signal[half : half + len(pcm)] = pcm
    signal *= _MODEL_HZ / rate_hz / 32768.0
    strides = (signal.strides[0] * hop, signal.strides[0])
    windows = np.lib.stride_tricks.as_strided(signal, (frames, size), strides, writeable=False)
    spectrum = np.fft.rfft(windows * _hann(size), axis=1)
    return np.square(spectrum.real, dtype=np.float32) + np.square(spectrum.imag, dtype=np.float32)


@lru_cache(maxsize=4)
def _hann(size: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


@lru_cache(maxsize=2)
def mel_filters(mels: int) -> NDArray[np.float32]:
    """Slaney's triangular filters, each of unit area: shape (mels, 201)."""
    bins_hz = np.linspace(0, _MODEL_HZ / 2, _BINS)
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(_MODEL_HZ / 2), mels + 2))
    ramps = edges_hz[:, None] - bins_hz[None, :]
    widths = np.diff(edges_hz)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).astype(np.float32)


# Slaney's scale: linear below 1 kHz, 27 steps an octave-and-a-bit (a factor 6.4) above.
_LINEAR_HZ = 200 / 3
_BREAK_MEL = 15.0
_LOG_STEP = float(np.log(6.4) / 27)


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < 1000 else _BREAK_MEL + float(np.log(hz / 1000)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, 1000 * np.exp(_LOG_STEP * (mel - _BREAK_MEL)))
