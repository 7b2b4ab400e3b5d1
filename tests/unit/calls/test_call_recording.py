"""The recorder with real files, real threads and a clock of its own."""

from __future__ import annotations

import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trunkline.audio.formats import SLIN_16K, ULAW_8K, AudioFormat
from trunkline.audio.g711 import encoder
from trunkline.calls.recording import CallRecording, StereoRecorder
from trunkline.core.clock import ManualClock
from trunkline.core.errors import UpstreamError
from trunkline.core.ids import LegId
from trunkline.pbx.port import PbxRecording

START_S = 500.0


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def frame(audio: AudioFormat, level: int) -> bytes:
    return encoder(audio)(np.full(audio.frame_samples, level, np.int16))


def talk(recorder, audio: AudioFormat, seconds: float, *, level: int = 8000, from_s: float = 0.0) -> None:
    """The caller speaks, frame by frame; frames arrive when their sound has ended."""
    for number in range(round(seconds * 50)):
        recorder.on_caller(frame(audio, level), START_S + from_s + (number + 1) * 0.02)


def loud(samples: np.ndarray) -> tuple[float, float]:
    """First and last loud sample, in seconds at 8 kHz unless the caller divides."""
    at = np.flatnonzero(np.abs(samples.astype(int)) > 1000)
    return at[0], at[-1] + 1


@pytest.mark.parametrize("audio", [ULAW_8K, SLIN_16K])
async def test_both_parties_end_up_in_one_file(tmp_path, executor, audio):
    """Caller left, assistant right, aligned to the sample, at the format's rate, as long as the call."""
    recorder = StereoRecorder(tmp_path / "call.wav", audio, start_s=START_S, executor=executor)
    talk(recorder, audio, 3.0)
    recorder.on_assistant(frame(audio, -8000) * 25, START_S + 1.5)
    await recorder.close(START_S + 4.0)

    sound, rate_hz = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert (rate_hz, sound.shape) == (audio.rate_hz, (4 * audio.rate_hz, 2))
    assert loud(sound[:, 0]) == (0, 3 * rate_hz)
    assert loud(sound[:, 1]) == (1.5 * rate_hz, 2.0 * rate_hz)


async def test_the_file_plays_while_the_call_goes_on(tmp_path, executor):
    """A copy taken in mid-call, as a crash would leave it, holds all but the last few seconds."""
    recorder = StereoRecorder(tmp_path / "call.wav", ULAW_8K, start_s=START_S, executor=executor)
    for second in range(9):
        talk(recorder, ULAW_8K, 1.0, from_s=second)
        await asyncio.sleep(0.02)  # the writer's turn
    await asyncio.get_running_loop().run_in_executor(executor, lambda: None)
    shutil.copy(tmp_path / "call.wav", tmp_path / "crashed.wav")

    assert soundfile.info(tmp_path / "crashed.wav").duration >= 5.0
    await recorder.close()
    assert soundfile.info(tmp_path / "call.wav").duration == 9.0


async def test_a_slow_disk_loses_nothing(tmp_path, executor):
    """Blocks wait for the thread and are written in order."""
    gate = threading.Event()
    executor.submit(gate.wait, 5)
    recorder = StereoRecorder(tmp_path / "call.wav", ULAW_8K, start_s=START_S, executor=executor)
    for second in range(10):
        talk(recorder, ULAW_8K, 1.0, level=2000 + 1000 * second, from_s=second)
    gate.set()
    await recorder.close()

    sound, _ = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert [round(level, -3) for level in sound[4000::8000, 0].tolist()] == list(range(2000, 12000, 1000))


async def test_a_disk_that_fails_ends_the_recording_and_not_the_call(tmp_path, executor):
    """The folder vanishes: frames are taken on, close returns."""
    folder = tmp_path / "gone"
    folder.mkdir()
    recorder = StereoRecorder(folder / "call.wav", ULAW_8K, start_s=START_S, executor=executor)
    folder.rmdir()
    talk(recorder, ULAW_8K, 4.0)
    await recorder.close()

    assert not folder.exists()


def write_mono(path: Path, *levels: int, rate_hz: int = 8000) -> str:
    """A second of each level."""
    soundfile.write(path, np.repeat(np.array(levels, np.int16), rate_hz), rate_hz, subtype="PCM_16")
    return str(path)


@pytest.mark.parametrize("audio", [ULAW_8K, SLIN_16K])
async def test_what_the_pbx_recorded_takes_its_place_in_the_file(tmp_path, executor, audio):
    """At its offset, at the file's rate; a shorter side ends in silence; a gap before it is silence."""
    recorder = StereoRecorder(tmp_path / "call.wav", audio, start_s=START_S, executor=executor)
    talk(recorder, audio, 2.0)
    await recorder.close()
    write_mono(tmp_path / "r.wav", 5000, 5000)
    write_mono(tmp_path / "t.wav", 3000)

    joined_s = await recorder.append_pbx_part(tmp_path / "r.wav", tmp_path / "t.wav", 2.5)

    sound, rate_hz = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert joined_s == pytest.approx(2.0, abs=0.01)
    assert len(sound) / rate_hz == pytest.approx(4.5, abs=0.01)
    middle = [round(second * rate_hz) for second in (1.0, 2.25, 3.0, 4.0)]
    assert sound[middle, 0].tolist() == pytest.approx([8000, 0, 5000, 5000], rel=0.05)
    assert sound[middle, 1].tolist() == pytest.approx([0, 0, 3000, 0], rel=0.05)
    assert loud(sound[:, 1]) == pytest.approx((2.5 * rate_hz, 3.5 * rate_hz), abs=rate_hz / 500)


class RecordingPbx:
    """The two recording verbs of a PBX: its files appear when it is stopped."""

    def __init__(self, folder: Path, *, refuses: bool = False, breaks: bool = False) -> None:
        self.folder, self.refuses, self.breaks, self.clock, self.running = (
            folder,
            refuses,
            breaks,
            ManualClock(),
            0,
        )

    async def start_recording(self, leg_id: LegId, name: str) -> PbxRecording:
        if self.refuses:
            raise UpstreamError("no")
        self.running += 1
        return PbxRecording(
            leg_id,
            str(self.folder / f"{name}-r.wav"),
            str(self.folder / f"{name}-t.wav"),
            self.clock.monotonic(),
        )

    async def stop_recording(self, recording: PbxRecording) -> None:
        self.running -= 1
        if not self.breaks:
            write_mono(Path(recording.received_path), 5000)
            write_mono(Path(recording.sent_path), 3000)


def call_recording(tmp_path: Path, pbx: RecordingPbx, executor) -> CallRecording:
    pbx.clock.advance(START_S)
    return CallRecording(tmp_path / "calls" / "call-1.wav", ULAW_8K, executor=executor, clock=pbx.clock)


async def test_a_call_is_recorded_across_a_transfer(tmp_path, executor):
    """Ours, then the PBX's, in one file as long as the call; the PBX's files are gone."""
    pbx = RecordingPbx(tmp_path)
    recording = call_recording(tmp_path, pbx, executor)
    assert recording.path is None
    recording.start(START_S)
    talk(recording, ULAW_8K, 2.0)
    pbx.clock.advance(2.0)
    await recording.hand_to_pbx(pbx, LegId("leg"))
    pbx.clock.advance(1.0)
    await recording.close(pbx)
    await recording.close(pbx)

    sound, _ = soundfile.read(recording.path, dtype="int16")
    assert len(sound) == 3 * 8000
    assert sound[[8000, 20000]].tolist() == [pytest.approx([8000, 0], rel=0.05), [5000, 3000]]
    assert pbx.running == 0
    assert list(tmp_path.glob("*.wav")) == []


async def test_a_failed_transfer_gives_the_recording_back(tmp_path, executor):
    """The PBX's second lies between what we recorded before and after."""
    pbx = RecordingPbx(tmp_path)
    recording = call_recording(tmp_path, pbx, executor)
    recording.start(START_S)
    talk(recording, ULAW_8K, 2.0)
    pbx.clock.advance(2.0)
    await recording.hand_to_pbx(pbx, LegId("leg"))
    pbx.clock.advance(1.0)
    await recording.take_back(pbx)
    talk(recording, ULAW_8K, 2.0, from_s=3.0)
    pbx.clock.advance(2.0)
    await recording.close(pbx)

    sound, _ = soundfile.read(recording.path, dtype="int16")
    assert len(sound) == 5 * 8000
    assert sound[[8000, 20000, 32000], 0].tolist() == pytest.approx([8000, 5000, 8000], rel=0.05)


@pytest.mark.parametrize("trouble", [{"refuses": True}, {"breaks": True}])
async def test_a_pbx_that_fails_costs_its_part_only(tmp_path, executor, trouble):
    """Our own part is kept, and as long as the call."""
    pbx = RecordingPbx(tmp_path, **trouble)
    recording = call_recording(tmp_path, pbx, executor)
    recording.start(START_S)
    talk(recording, ULAW_8K, 2.0)
    await recording.hand_to_pbx(pbx, LegId("leg"))
    pbx.clock.advance(3.0)
    await recording.close(pbx)

    assert soundfile.info(recording.path).duration == 3.0


async def test_a_call_that_was_never_answered_leaves_no_file(tmp_path, executor):
    """Frames before the answer are early media."""
    pbx = RecordingPbx(tmp_path)
    recording = call_recording(tmp_path, pbx, executor)
    talk(recording, ULAW_8K, 1.0)
    await recording.hand_to_pbx(pbx, LegId("leg"))
    await recording.close(pbx)
    recording.start(START_S)
    talk(recording, ULAW_8K, 1.0)

    assert recording.path is None
    assert not (tmp_path / "calls").exists()
