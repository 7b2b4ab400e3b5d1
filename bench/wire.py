"""RTP as it passed on the wire: captured by tcpdump, read here.

A capture costs next to nothing beside a call: the kernel filters by port, tcpdump writes the bytes.
pcap format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html; RTP: RFC 3550 section 5.1.
"""

from __future__ import annotations

import itertools
import shutil
import signal
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.g711 import decode_ulaw

_PCAP_HEADER = 24
_RECORD = struct.Struct("<IIII")
_ETHERNET, _IP, _UDP, _RTP = 14, 20, 8, 12


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet. `at_s` is the kernel's time of capture; `payload` is mu-law, 20 ms."""

    at_s: float
    source_port: int
    target_port: int
    sequence: int
    payload: bytes


class Capture:
    """`with Capture(file, ports) as capture: ...` records UDP to and from a range of ports on loopback."""

    def __init__(self, file: Path, ports: tuple[int, int]) -> None:
        self._file = file
        self._filter = f"udp and portrange {ports[0]}-{ports[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Returns once tcpdump listens."""
        tcpdump = shutil.which("tcpdump")
        if tcpdump is None:
            raise SystemExit("bench needs tcpdump: apt-get install tcpdump")
        self._process = subprocess.Popen(
            [tcpdump, "-i", "lo", "-B", "32768", "-s", "256", "-w", str(self._file), self._filter],
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"listening on" in line:
                return self
        raise SystemExit("tcpdump could not listen on loopback; it needs root.")

    def __exit__(self, *_: object) -> None:
        """Stops tcpdump and lets it write what it holds."""
        assert self._process is not None
        time.sleep(0.3)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        assert self._process.stderr is not None
        self._process.stderr.close()


def read(file: Path) -> Iterator[Packet]:
    """The RTP packets of a capture, in order. Anything that is not RTP version 2 with PCMU is left out."""
    data = file.read_bytes()
    at = _PCAP_HEADER
    while at + _RECORD.size <= len(data):
        seconds, micros, kept, _ = _RECORD.unpack_from(data, at)
        frame = data[at + _RECORD.size : at + _RECORD.size + kept]
        at += _RECORD.size + kept
        udp = frame[_ETHERNET + _IP :]
        rtp = udp[_UDP:]
        if len(rtp) <= _RTP or rtp[0] >> 6 != 2 or rtp[1] & 0x7F != 0:
            continue
        source, target = struct.unpack_from(">HH", udp)
        yield Packet(seconds + micros / 1e6, source, target, struct.unpack_from(">H", rtp, 2)[0], rtp[_RTP:])


def streams(packets: Iterator[Packet]) -> dict[tuple[int, int], list[Packet]]:
    """Packets by (source port, target port)."""
    grouped: dict[tuple[int, int], list[Packet]] = defaultdict(list)
    for packet in packets:
        grouped[packet.source_port, packet.target_port].append(packet)
    return grouped


def gaps_ms(stream: list[Packet], pause_ms: float = 500.0) -> list[float]:
    """Times between packets inside a stretch of talk; longer ones are pauses between stretches, left out."""
    times = [packet.at_s for packet in stream]
    return [gap for gap in ((b - a) * 1000 for a, b in itertools.pairwise(times)) if gap < pause_ms]


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of sound on the wire, from the first loud packet to the end of the last."""

    start_s: float
    end_s: float


def loudness(stream: list[Packet]) -> NDArray[np.float64]:
    """Root mean square of each packet, in 16-bit steps."""
    return np.array(
        [
            float(np.sqrt(np.mean(np.square(decode_ulaw(packet.payload).astype(np.float64)))))
            for packet in stream
        ]
    )


def speeches(stream: list[Packet], *, threshold: float = 200.0, join_ms: float = 400.0) -> list[Speech]:
    """Stretches of sound; quiet or missing packets shorter than `join_ms` do not split them."""
    found: list[Speech] = []
    for packet, level in zip(stream, loudness(stream), strict=True):
        if level < threshold:
            continue
        end = packet.at_s + 0.02
        if found and (packet.at_s - found[-1].end_s) * 1000 < join_ms:
            found[-1] = Speech(found[-1].start_s, end)
        else:
            found.append(Speech(packet.at_s, end))
    return found
