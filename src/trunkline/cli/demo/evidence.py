"""Gathers what both ends recorded: reads the files, understands the words. Blocking; runs in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from trunkline.cli.demo.judge import Heard
from trunkline.cli.hearing import Samples, first_sound_ms, speech_seconds, stretches
from trunkline.engines.embedded.whisper_model import WhisperModel, packaged_folder

Json = Mapping[str, Any]

_BEFORE_MS: Final = 100
_AFTER_MS: Final = 200
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Tracks:
    """What the recordings hold; see `Evidence` for the meaning of each."""

    caller: Heard
    assistant: Heard
    after_transfer: Heard
    far_heard: Heard
    far_heard_after: Heard
    first_sound_ms: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """One channel of a recording, understood: its samples, and each stretch of speech with its start and its words."""

    samples: Samples
    rate_hz: int
    stretches: Sequence[tuple[int, str]]

    def between(self, start_ms: float, end_ms: float) -> Heard:
        """The part from `start_ms` until before `end_ms`."""
        first, last = (int(min(ms, 1e9) * self.rate_hz / 1000) for ms in (start_ms, end_ms))
        text = " ".join(text for start, text in self.stretches if start_ms <= start < end_ms and text)
        return Heard(speech_seconds(self.samples[first:last], self.rate_hz), text)


class Listener:
    """Understands recorded speech; its recogniser is its own, not the one that took part in the call."""

    def __init__(self) -> None:
        self._model = WhisperModel(packaged_folder(), _THREADS)
        self._prompt = self._model.prompt("en", ())

    def hear(self, tracks: Sequence[tuple[Samples, int]]) -> list[Track]:
        """Every track with its words, several stretches at a time."""
        work = [
            (samples, rate_hz, start, end)
            for samples, rate_hz in tracks
            for start, end in stretches(samples, rate_hz)
        ]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="listener") as pool:
            texts = iter(list(pool.map(lambda one: self._understand(*one), work)))
        return [
            Track(samples, rate_hz, [(start, next(texts)) for start, _ in stretches(samples, rate_hz)])
            for samples, rate_hz in tracks
        ]

    def _understand(self, samples: Samples, rate_hz: int, start_ms: int, end_ms: int) -> str:
        first = max(0, start_ms - _BEFORE_MS) * rate_hz // 1000
        last = (end_ms + _AFTER_MS) * rate_hz // 1000
        return self._model.transcribe(samples[first:last], rate_hz, self._prompt).text.strip()


def listen(recording: Path | None, far_heard: Path | None, transfer_ms: float | None) -> Tracks:
    """Hears every track.

    Args:
        recording: our stereo file, caller left; None where there is none.
        far_heard: the carrier's mono file of what its caller heard, from the answer; None where there is none.
        transfer_ms: when the human took over, since the answer; None where that did not happen.
    """
    ours, our_rate = read(recording, 2)
    far, far_rate = read(far_heard, 1)
    caller, assistant, heard = Listener().hear(
        [(ours[:, 0], our_rate), (ours[:, 1], our_rate), (far[:, 0], far_rate)]
    )
    handed_over = inf if transfer_ms is None else transfer_ms
    return Tracks(
        caller=caller.between(0, handed_over),
        assistant=assistant.between(0, handed_over),
        after_transfer=assistant.between(handed_over, inf),
        far_heard=heard.between(0, inf),
        far_heard_after=heard.between(handed_over, inf),
        first_sound_ms=first_sound_ms(far[:, 0], far_rate),
    )


def read(path: Path | None, channels: int) -> tuple[Samples, int]:
    """Samples as (frames, channels) and their rate; nothing where there is no file, or not so many channels."""
    if path is None or not path.is_file():
        return np.zeros((0, channels), np.int16), 8000
    samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    if samples.shape[1] != channels:
        return np.zeros((0, channels), np.int16), 8000
    return samples, int(rate_hz)


def transfer_ms(record: Json) -> float | None:
    """When the human answered, in milliseconds since the caller did; None without a completed transfer."""
    transfer = record.get("transfer") or {}
    if transfer.get("status") != "completed" or not record.get("started_at"):
        return None
    return (_moment(transfer["answered_at"]) - _moment(record["started_at"])).total_seconds() * 1000


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
