"""The recording of a call: one stereo WAV, caller left, assistant (later: whoever the caller talks to) right.

Sound is placed on the loop, which costs microseconds, and written every three seconds by a worker thread. The file is
whole after every write: a service that dies leaves a recording that plays up to its last seconds. While the PBX records by
itself (a transfer), its two files are kept and joined in at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import structlog
from numpy.typing import NDArray

from trunkline.audio.formats import AudioFormat
from trunkline.audio.recording_timeline import RecordingTimeline
from trunkline.audio.resample import Resampler
from trunkline.core.clock import Clock
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.port import Pbx, PbxRecording

_log = structlog.get_logger()

Samples = NDArray[np.int16]

_WRITE_EVERY_S: Final = 3.0
_MOST_WAITING_S: Final = 30.0
"""A disk that stands still for so long ends the recording, never the call; it bounds what is held in memory."""


class StereoRecorder:
    """Writes one file while the call goes on. `on_*` and `close` belong to the event loop.

    Args:
        path: the WAV to write (16-bit, stereo, at the format's rate); its folder exists.
        audio: format of the frames that come in.
        start_s: monotonic time of the first sample.
        executor: whose threads write; blocks of one recording are written one after the other.
    """

    def __init__(self, path: Path, audio: AudioFormat, *, start_s: float, executor: Executor) -> None:
        self.path = path
        self.start_s = start_s
        self._audio = audio
        self._timeline = RecordingTimeline(audio, start_s)
        self._executor = executor
        self._next_write_s = start_s
        self._waiting: list[Samples] = []
        self._written = 0  # samples in the file, and in the block that is being written
        self._writing: asyncio.Future[None] | None = None
        self._failed = False

    def on_caller(self, frames: bytes, at_s: float) -> None:
        """The caller's frames that arrived at `at_s`, which is when their sound ended."""
        began_s = at_s - self._audio.duration_ms(len(frames)) / 1000
        self._timeline.place_caller(frames, began_s)
        self._write_if_due(at_s)

    def on_assistant(self, frames: bytes, at_s: float) -> None:
        """The assistant's frames that the caller began to hear at `at_s`."""
        self._timeline.place_assistant(frames, at_s)
        self._write_if_due(at_s)

    async def close(self, end_s: float | None = None) -> None:
        """Writes the rest; the file is then whole, and as long as the call where `end_s` says when that ended."""
        while len(block := self._timeline.finish(end_s)):
            self._enqueue(block)
            while self._writing is not None:
                await asyncio.wait([self._writing])
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def append_pbx_part(self, received: Path, sent: Path, offset_s: float) -> float:
        """Puts the PBX's own recording of the caller's leg into the closed file, `offset_s` after its start.

        Args:
            received: mono WAV of what the caller said: left.
            sent: mono WAV of what the caller heard: right.
            offset_s: seconds; less than 0 counts as 0.

        Returns:
            How many seconds were put in.

        Raises:
            soundfile.LibsndfileError: one of the files is not there or not a WAV.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, _join_part, self.path, self._audio.rate_hz, received, sent, max(0.0, offset_s)
        )

    def _write_if_due(self, now_s: float) -> None:
        if now_s < self._next_write_s:
            return
        self._next_write_s = now_s + _WRITE_EVERY_S
        block = self._timeline.take(now_s)
        if len(block):
            self._enqueue(block)

    def _enqueue(self, block: Samples) -> None:
        if self._failed:
            return
        self._waiting.append(block)
        if self._writing is None:
            self._write_waiting()
        elif sum(map(len, self._waiting)) > _MOST_WAITING_S * self._audio.rate_hz:
            self._give_up("the disk stands still")

    def _write_waiting(self) -> None:
        block = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting.clear()
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(
            self._executor, _write_block, self.path, self._audio.rate_hz, self._written, block
        )
        self._written += len(block)
        self._writing.add_done_callback(self._on_written)

    def _on_written(self, done: asyncio.Future[None]) -> None:
        self._writing = None
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._give_up(str(error))
        elif self._waiting:
            self._write_waiting()

    def _give_up(self, why: str) -> None:
        self._failed = True
        self._waiting.clear()
        _log.error("recording stopped", file=self.path.name, error=why)


@dataclass(frozen=True, slots=True)
class _PbxPart:
    recording: PbxRecording
    offset_s: float


class CallRecording:
    """The recording of one call, from its answer to its end, whoever records.

    Args:
        path: where the recording goes. Nothing is made before `start`.
        audio: format of the frames.
        executor: whose threads write.
        clock: the clock of every `at_s`.
    """

    def __init__(self, path: Path, audio: AudioFormat, *, executor: Executor, clock: Clock) -> None:
        self._path = path
        self._audio = audio
        self._executor = executor
        self._clock = clock
        self._recorder: StereoRecorder | None = None
        self._on_pbx: _PbxPart | None = None
        self._parts: list[_PbxPart] = []
        self._is_closed = False

    @property
    def path(self) -> Path | None:
        """The file, once there is one."""
        return self._path if self._path.is_file() else None

    def start(self, answered_s: float) -> None:
        """The call was answered: the recording begins here."""
        if self._recorder is None and not self._is_closed:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._recorder = StereoRecorder(
                self._path, self._audio, start_s=answered_s, executor=self._executor
            )

    def on_caller(self, frames: bytes, at_s: float) -> None:
        """The caller's frames that arrived at `at_s`. Ignored before the answer and after the end."""
        if self._recorder is not None and not self._is_closed:
            self._recorder.on_caller(frames, at_s)

    def on_assistant(self, frames: bytes, at_s: float) -> None:
        """The assistant's frames that the caller began to hear at `at_s`. Ignored before the answer and after the end."""
        if self._recorder is not None and not self._is_closed:
            self._recorder.on_assistant(frames, at_s)

    async def hand_to_pbx(self, pbx: Pbx, leg_id: LegId) -> None:
        """The PBX records the caller's leg from now on. A PBX that refuses is logged; the call goes on."""
        if self._recorder is None or self._on_pbx is not None:
            return
        try:
            recording = await pbx.start_recording(leg_id, f"{self._path.stem}-{len(self._parts) + 1}")
        except UpstreamError as error:
            _log.warning("recording not handed over", error=error.message)
        else:
            self._on_pbx = _PbxPart(recording, recording.started_monotonic_s - self._recorder.start_s)

    async def take_back(self, pbx: Pbx) -> None:
        """The PBX stops; what comes through us is the recording again."""
        part, self._on_pbx = self._on_pbx, None
        if part is None:
            return
        try:
            await pbx.stop_recording(part.recording)
        except UpstreamError as error:
            _log.warning("recording on the PBX not stopped", error=error.message)
        self._parts.append(part)

    async def close(self, pbx: Pbx) -> None:
        """Ends the recording and joins its parts into one file. Idempotent; what can't be joined is logged and left where it is."""
        if self._is_closed:
            return
        self._is_closed = True
        ended_s = self._clock.monotonic()
        await self.take_back(pbx)
        if self._recorder is None:
            return
        await self._recorder.close(ended_s)
        for part in self._parts:
            await self._join(self._recorder, part)

    async def _join(self, recorder: StereoRecorder, part: _PbxPart) -> None:
        received, sent = Path(part.recording.received_path), Path(part.recording.sent_path)
        try:
            await recorder.append_pbx_part(received, sent, part.offset_s)
        except (OSError, soundfile.SoundFileError) as error:
            _log.warning("part of a recording not joined", file=received.name, error=str(error))
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, _remove, received, sent)


# --- in a worker thread -----------------------------------------------------------------------------------------------


def _write_block(path: Path, rate_hz: int, position: int, block: Samples) -> None:
    """Puts a stereo block at its place and closes the file, so that its header tells the truth from then on."""
    if not path.exists():
        soundfile.SoundFile(path, "w", rate_hz, 2, "PCM_16", format="WAV").close()
    # Through a file object, as a path would be synced to the disk at each close: a dead process loses nothing without it.
    with path.open("r+b") as raw, soundfile.SoundFile(raw, "r+") as file:
        _fill_up_to(file, position)
        file.seek(position)
        file.write(block)


def _fill_up_to(file: soundfile.SoundFile, position: int) -> None:
    file.seek(0, soundfile.SEEK_END)
    while (missing := position - file.tell()) > 0:
        file.write(np.zeros((min(missing, 10 * file.samplerate), 2), np.int16))


def _join_part(path: Path, rate_hz: int, received: Path, sent: Path, offset_s: float) -> float:
    position = round(offset_s * rate_hz)
    joined = 0
    with soundfile.SoundFile(received) as left, soundfile.SoundFile(sent) as right:
        longest_s = max(left.frames / left.samplerate, right.frames / right.samplerate)
        for block in zip(
            _at_rate(left, rate_hz, longest_s), _at_rate(right, rate_hz, longest_s), strict=True
        ):
            _write_block(path, rate_hz, position + joined, np.stack(block, axis=1))
            joined += len(block[0])
    return joined / rate_hz


def _at_rate(file: soundfile.SoundFile, rate_hz: int, length_s: float) -> Iterator[Samples]:
    """A mono file in pieces of a second at another rate, no later than it was, with silence up to the length."""
    stream = Resampler(file.samplerate, rate_hz)
    lead = round(stream.delay_ms * rate_hz / 1000)
    missing = round(length_s * file.samplerate)
    while missing > 0:
        piece = file.read(min(missing, file.samplerate), dtype="int16", fill_value=0)
        missing -= len(piece)
        yield stream.push(piece)[lead:]
        lead = 0


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
