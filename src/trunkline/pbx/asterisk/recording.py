"""Recordings that the PBX makes by itself: MixMonitor, started and stopped over AMI, one file a direction."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path
from typing import Final

import structlog

from trunkline.core.clock import Clock
from trunkline.core.errors import InvalidField
from trunkline.core.ids import LegId
from trunkline.pbx.asterisk.ami import Ami
from trunkline.pbx.port import PbxRecording

_log = structlog.get_logger()

# What may stand in a file name; the options of MixMonitor are split at `,` and `)`.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WHOLE_TIMEOUT_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.05
_WAV_HEAD_BYTES: Final = 44


class PbxRecorder:
    """MixMonitor on legs of ours. The folder is one on two sides: Asterisk's path for it and ours."""

    def __init__(self, ami: Ami, clock: Clock, *, on_pbx: str, here: Path) -> None:
        self._ami = ami
        self._clock = clock
        self._on_pbx = on_pbx.rstrip("/")
        self._here = here
        self._monitor_ids: dict[str, str] = {}

    async def start(self, leg_id: LegId, name: str) -> PbxRecording:
        """Records what the leg's party says and hears.

        Raises:
            InvalidField: the name is not fit for a file.
            UpstreamError: refused, or AMI is away.
        """
        if not _NAME.fullmatch(name):
            raise InvalidField("name", "A recording's name has 1 to 100 letters, digits, - and _.")
        received, sent = f"{name}-received.wav", f"{name}-sent.wav"
        # S: silence is filled in where a direction has no packets, so that both files keep one time line.
        options = f"r({self._on_pbx}/{received})t({self._on_pbx}/{sent})S"
        monitor_id = await self._ami.mix_monitor(leg_id, options)
        recording = PbxRecording(
            leg_id=leg_id,
            received_path=str(self._here / received),
            sent_path=str(self._here / sent),
            started_monotonic_s=self._clock.monotonic(),
        )
        self._monitor_ids[recording.received_path] = monitor_id
        return recording

    async def stop(self, recording: PbxRecording) -> None:
        """Ends it and waits until both files are whole, at most 3 s. No error when the leg is gone.

        Raises:
            UpstreamError: AMI gave no answer; the recording ends with the leg.
        """
        monitor_id = self._monitor_ids.pop(recording.received_path, "")
        await self._ami.stop_mix_monitor(recording.leg_id, monitor_id)
        paths = (Path(recording.received_path), Path(recording.sent_path))
        try:
            async with asyncio.timeout(_WHOLE_TIMEOUT_S):
                # Asterisk closes the files on a thread of its own and tells nobody; the length in the header tells us.
                while not await asyncio.to_thread(lambda: all(is_whole(path) for path in paths)):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            _log.warning("pbx recording not complete", leg_id=recording.leg_id)


def is_whole(path: Path) -> bool:
    """Whether a WAV file's header tells its real length, which Asterisk writes last."""
    try:
        with path.open("rb") as file:
            head = file.read(_WAV_HEAD_BYTES)
        size = path.stat().st_size
    except OSError:
        return False
    if len(head) < _WAV_HEAD_BYTES:
        return False
    (data_bytes,) = struct.unpack_from("<I", head, 40)
    return bool(data_bytes) and size - _WAV_HEAD_BYTES in {data_bytes, data_bytes + data_bytes % 2}
