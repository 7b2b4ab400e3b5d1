"""What the simulated PBX records by itself: a party's two directions, in two mono files."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.port import PbxRecording
from trunkline.pbx.simulated.sound import RATE_HZ, Samples

_NAME: Final = re.compile(r"[A-Za-z0-9+_.-]{1,128}")


@dataclass(slots=True)
class Tape:
    """What a leg's party said and heard, frame by frame, as long as it runs."""

    said: list[Samples] = field(default_factory=list)
    heard: list[Samples] = field(default_factory=list)


class TapeRoom:
    """All tapes that run, and the folder where they end up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Tape] = {}

    def start(self, leg_id: LegId, name: str, at_s: float) -> tuple[PbxRecording, Tape]:
        """A new tape.

        Raises:
            UpstreamError: the name is no file name.
        """
        if not _NAME.fullmatch(name):
            raise UpstreamError("A recording's name is letters, digits and + _ . - only.")
        received, sent = (str(self._folder / f"{name}-{side}.wav") for side in ("received", "sent"))
        recording = PbxRecording(leg_id, received, sent, at_s)
        tape = self._running[recording.received_path] = Tape()
        return recording, tape

    def take(self, recording: PbxRecording) -> Tape | None:
        """The tape of a recording, which no longer runs; None when it was taken before."""
        return self._running.pop(recording.received_path, None)


async def write(tape: Tape, recording: PbxRecording) -> None:
    """Writes a tape that no longer runs; returns when both files are whole."""
    await asyncio.to_thread(_write, {recording.received_path: tape.said, recording.sent_path: tape.heard})


def _write(files: dict[str, list[Samples]]) -> None:
    for path, frames in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        sound = np.concatenate([np.zeros(0, np.int16), *frames])
        soundfile.write(path, sound, RATE_HZ, subtype="PCM_16", format="WAV")
