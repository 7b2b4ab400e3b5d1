"""The PBX's own recordings: names, options, and when a file is whole."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import pytest

from trunkline.core.clock import ManualClock
from trunkline.core.errors import InvalidField
from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.recording import PbxRecorder, is_whole


class Monitor:
    """An AMI that notes what it is asked, and writes the files when the recording stops."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, ...]] = []

    async def mix_monitor(self, leg_id: str, options: str) -> str:
        self.asked.append(("start", leg_id, options))
        return "0x1"

    async def stop_mix_monitor(self, leg_id: str, monitor_id: str) -> bool:
        self.asked.append(("stop", leg_id, monitor_id))
        for name in ("call-1-received", "call-1-sent"):
            write_wav(self.folder / f"{name}.wav")
        return True


def write_wav(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "none"))
        file.writeframes(bytes(320))


async def test_each_direction_has_its_file_on_one_time_line(tmp_path):
    """The PBX's path for the folder differs from ours."""
    monitor = Monitor(tmp_path)
    recorder = PbxRecorder(monitor, ManualClock(), on_pbx="/var/spool/rec/", here=tmp_path)  # type: ignore[arg-type]
    recording = await recorder.start(LegId("tl-1"), "call-1")
    await recorder.stop(recording)

    assert monitor.asked == [
        ("start", "tl-1", "r(/var/spool/rec/call-1-received.wav)t(/var/spool/rec/call-1-sent.wav)S"),
        ("stop", "tl-1", "0x1"),
    ]
    assert recording.received_path == str(tmp_path / "call-1-received.wav")


@pytest.mark.parametrize("name", ["", "../etc", "a)t(/x", "a,b", "a b", "x" * 101])
async def test_a_name_that_could_be_more_than_a_name_is_refused(tmp_path, name: str):
    """Paths, options, blanks."""
    recorder = PbxRecorder(Monitor(tmp_path), ManualClock(), on_pbx="/x", here=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InvalidField):
        await recorder.start(LegId("tl-1"), name)


def test_a_file_is_whole_when_its_header_tells_its_length(tmp_path):
    """Asterisk writes the length last."""
    path = tmp_path / "x.wav"
    assert not is_whole(path)
    write_wav(path)
    assert is_whole(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 40, 0)
    path.write_bytes(data)
    assert not is_whole(path)
    path.write_bytes(data[:20])
    assert not is_whole(path)
