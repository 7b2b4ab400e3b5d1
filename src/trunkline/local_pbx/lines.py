"""What subscribers say and what a party on hold hears, made once and cached as 8 kHz WAV files."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from trunkline.local_pbx.errors import Progress, quiet
from trunkline.local_pbx.install import Asterisk, as_root
from trunkline.local_pbx.packages import ensure_packages, run
from trunkline.local_pbx.subscribers import Line, spoken_lines

VOICE = "slt"
"""A voice of flite that no assistant has."""
SLOWER = "1.08"
"""Length of its sounds: at this one whisper tiny.en understands every line over a G.711 line, at 1.0 it does not."""
RATE_HZ = 8000
_PEAK = 0.5
HOLD_MUSIC = "hold-music"

Samples = NDArray[np.float64]


def make_lines(asterisk: Asterisk, cache: Path, progress: Progress = quiet) -> None:
    """Synthesises every line that `cache` lacks.

    Raises:
        LocalPbxError: flite is missing and can't be installed, or fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    missing = [line for line in spoken_lines() if not _cached(line, cache).exists()]
    if missing:
        progress("Synthesising the subscribers' lines")
        if not asterisk.has("/usr/bin/flite"):
            ensure_packages(["flite"], progress)
    for line in missing:
        _write(_cached(line, cache), _synthesise(asterisk, line))


def lay_out(cache: Path, sounds: Path) -> None:
    """Puts the cached lines under their own names where the carrier's dialplan looks for them."""
    sounds.mkdir(parents=True, exist_ok=True)
    for line in spoken_lines():
        shutil.copyfile(_cached(line, cache), sounds / f"{line.name}.wav")


def make_hold_music(sounds: Path) -> None:
    """A quiet arpeggio over four chords, sixteen seconds, that can be repeated without a seam."""
    sounds.mkdir(parents=True, exist_ok=True)
    chords = ((262, 330, 392, 523), (220, 262, 330, 440), (175, 220, 262, 349), (196, 247, 294, 392))
    step_s = 0.5
    notes = [chord[i % 4] for chord in chords for i in (0, 1, 2, 3, 2, 1, 2, 3)]
    total = int(len(notes) * step_s * RATE_HZ)
    music = np.zeros(total)
    t = np.arange(int(1.5 * RATE_HZ)) / RATE_HZ
    shape = np.minimum(1.0, t / 0.02) * np.exp(-t * 3.0)
    for index, frequency in enumerate(notes):
        note = shape * (np.sin(2 * np.pi * frequency * t) + 0.3 * np.sin(4 * np.pi * frequency * t))
        at = int(index * step_s * RATE_HZ)
        music[(at + np.arange(t.size)) % total] += note
    _write(sounds / f"{HOLD_MUSIC}.wav", 0.2 * music / np.abs(music).max())


def _cached(line: Line, cache: Path) -> Path:
    # Other words are another file.
    mark = hashlib.sha256(f"{VOICE} {SLOWER} {line.text}".encode()).hexdigest()[:12]
    return cache / f"{line.name}-{mark}.wav"


def _synthesise(asterisk: Asterisk, line: Line) -> Samples:
    inside = f"/tmp/trunkline-line-{os.getpid()}.wav"  # noqa: S108 - read back at once, by the same user
    outside = Path((asterisk.root if asterisk.has("/usr/bin/flite") else "") + inside)
    command = [
        "flite",
        "-voice",
        VOICE,
        "--setf",
        f"duration_stretch={SLOWER}",
        "-t",
        line.text,
        "-o",
        inside,
    ]
    try:
        run(
            as_root(asterisk, *command) if asterisk.has("/usr/bin/flite") else command,
            timeout_s=60,
            failing=f"The line {line.name} could not be synthesised",
        )
        samples, rate = soundfile.read(outside, dtype="float64")
    finally:
        outside.unlink(missing_ok=True)
    return halved(samples) if rate == 2 * RATE_HZ else samples


def halved(samples: Samples) -> Samples:
    """Half the sample rate: what is above the new limit is filtered away first (windowed sinc, 63 taps)."""
    n = np.arange(63) - 31
    taps = 0.47 * np.sinc(0.47 * n) * np.hamming(63)
    return np.convolve(samples, taps / taps.sum(), mode="same")[::2]


def _write(path: Path, samples: Samples) -> None:
    peak = float(np.abs(samples).max()) or 1.0
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    soundfile.write(fresh, samples * min(1.0, _PEAK / peak), RATE_HZ, subtype="PCM_16", format="WAV")
    fresh.replace(path)
