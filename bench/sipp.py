"""SIPp as the far side: many subscribers in one process that answer and play a file.

https://sipp.readthedocs.io: `rtp_stream` plays raw mu-law in 20 ms packets from its own thread.
"""

from __future__ import annotations

import shutil
import signal
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SCENARIO = Path(__file__).parent / "sipp" / "uas_talk.xml"


@dataclass(slots=True)
class Subscribers:
    """`with Subscribers(...)`: SIPp listens on `sip_port` and answers every call.

    Attributes:
        speech: raw mu-law, 8 kHz, that each subscriber plays.
        loops: how often; -1 for ever.
        media_ports: first and last RTP port.
    """

    folder: Path
    sip_port: int
    media_ports: tuple[int, int]
    speech: bytes
    loops: int = -1
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Starts SIPp."""
        sipp = shutil.which("sipp")
        if sipp is None:
            raise SystemExit("bench needs SIPp: apt-get install sip-tester")
        speech = self.folder / "subscriber.ul"
        speech.write_bytes(self.speech)
        scenario = self.folder / "uas_talk.xml"
        scenario.write_text(string.Template(_SCENARIO.read_text()).substitute(file=speech, loops=self.loops))
        first, _ = self.media_ports
        self._process = subprocess.Popen(
            [
                *(
                    sipp,
                    "-sf",
                    str(scenario),
                    "-i",
                    "127.0.0.1",
                    "-p",
                    str(self.sip_port),
                    "-mi",
                    "127.0.0.1",
                ),
                *("-mp", str(first), "-rtp_threadtasks", "50"),
                *("-aa", "-nostdin", "-trace_err", "-error_file", str(self.folder / "sipp_errors.log")),
            ],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Ends SIPp."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(3)
