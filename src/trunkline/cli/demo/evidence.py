"""Gathers what both ends recorded: reads the files, understands the words. Blocking; runs in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Tracks:
    """What the recordings hold; see `Evidence` for the meaning of each."""

    caller: Heard
    assistant: Heard
    after_transfer: Heard
    far_heard: Heard
    far_heard_after: Heard
    first_sound_ms: float | None


class Listener:
    """Understands recorded speech with the embedded recogniser, which is not the one that took part in the call."""

    def __init__(self, threads: int = 2) -> None:
        self._model = WhisperModel(packaged_folder(), threads)
        self._prompt = self._model.prompt("en", ())

    def hear(self, samples: Samples, rate_hz: int) -> Heard:
        """How long somebody speaks on a track, and the words."""
        texts = [self._understand(samples, rate_hz, start, end) for start, end in stretches(samples, rate_hz)]
        return Heard(speech_seconds(samples, rate_hz), " ".join(text for text in texts if text))

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
    listener = Listener()
    ours, our_rate = read(recording, 2)
    far, far_rate = read(far_heard, 1)
    caller, _ = split(ours[:, 0], our_rate, transfer_ms)
    assistant, human = split(ours[:, 1], our_rate, transfer_ms)
    _, far_human = split(far[:, 0], far_rate, transfer_ms)
    return Tracks(
        caller=listener.hear(caller, our_rate),
        assistant=listener.hear(assistant, our_rate),
        after_transfer=listener.hear(human, our_rate),
        far_heard=listener.hear(far[:, 0], far_rate),
        far_heard_after=listener.hear(far_human, far_rate),
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


def split(track: Samples, rate_hz: int, at_ms: float | None) -> tuple[Samples, Samples]:
    """Before and after a moment; all is before where there was none."""
    at = len(track) if at_ms is None else min(len(track), int(at_ms * rate_hz / 1000))
    return track[:at], track[at:]


def transfer_ms(record: Json) -> float | None:
    """When the human answered, in milliseconds since the caller did; None without a completed transfer."""
    transfer = record.get("transfer") or {}
    if transfer.get("status") != "completed" or not record.get("started_at"):
        return None
    return (_moment(transfer["answered_at"]) - _moment(record["started_at"])).total_seconds() * 1000


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
