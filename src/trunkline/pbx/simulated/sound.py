"""Sounds that simulated parties make, as 8 kHz samples. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.formats import SLIN_8K

Samples = NDArray[np.int16]

RATE_HZ: Final = SLIN_8K.rate_hz
FRAME: Final = SLIN_8K.frame_samples
SILENCE: Final[Samples] = np.zeros(FRAME, np.int16)
LOUD: Final = 300
"""Mean magnitude of a frame that somebody hears; far over line noise, far under speech."""

_FORMANTS: Final = ((500, 120), (1500, 180), (2500, 250))


@lru_cache(maxsize=64)
def tone(hz: float, seconds: float, level: int = 8000) -> Samples:
    """A steady tone."""
    at = np.arange(round(seconds * RATE_HZ))
    return _frozen((np.sin(2 * np.pi * hz * at / RATE_HZ) * level).astype(np.int16))


@lru_cache(maxsize=64)
def speech(seconds: float, pitch_hz: int = 120, level: int = 12000) -> Samples:
    """A buzz with the formants and the syllables of a voice: voice detectors take it for speech, nobody for words."""
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = np.zeros(len(at))
    for hz in range(pitch_hz, 3500, pitch_hz):
        weight = sum(np.exp(-(((hz - centre) / width) ** 2)) for centre, width in _FORMANTS)
        sound += weight * np.sin(2 * np.pi * hz * at)
    sound *= 0.6 + 0.4 * np.sin(2 * np.pi * 4 * at)
    return _frozen((sound / max(1e-9, np.abs(sound).max(initial=0)) * level).astype(np.int16))


def frames(samples: Samples) -> list[Samples]:
    """Cut into frames of 20 ms, the last one filled with silence."""
    padded = np.concatenate((samples, np.zeros(-len(samples) % FRAME, np.int16)))
    return list(padded.reshape(-1, FRAME))


def is_loud(frame: Samples | None) -> bool:
    """Somebody would hear this frame."""
    return frame is not None and bool(np.abs(frame).mean() > LOUD)


def mix(sounds: list[Samples]) -> Samples | None:
    """What several sounds are together, clipped; None where there is none."""
    if len(sounds) < 2:
        return sounds[0] if sounds else None
    together = np.sum(sounds, axis=0, dtype=np.int32)
    return np.clip(together, -32768, 32767).astype(np.int16)


def _frozen(samples: Samples) -> Samples:
    samples.flags.writeable = False  # shared by every party that says the same
    return samples
