"""Ports that are free now, and RTP ranges that no other instance has."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable

SIP_PORTS = range(15060, 15960, 2)
HTTP_PORTS = range(18080, 18980)
AMI_PORTS = range(16038, 16938)
RTP_PORTS_EACH = 2000
"""Two ports a leg: a thousand legs."""
# Below the ports that the kernel gives to clients first, then among them: Asterisk skips a port that is taken.
_RTP_STARTS: tuple[int, ...] = (*range(20000, 32000, RTP_PORTS_EACH), *range(34000, 64000, RTP_PORTS_EACH))


def is_free(host: str, port: int, *, udp: bool = False) -> bool:
    """Whether a server could listen there now."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM) if udp else (socket.SOCK_STREAM,)
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_port(host: str, candidates: Iterable[int], taken: Collection[int], *, udp: bool = False) -> int:
    """The first free port that is not promised to anyone.

    Raises:
        OSError: there is none.
    """
    for port in candidates:
        if port not in taken and is_free(host, port, udp=udp):
            return port
    raise OSError(f"no port is free on {host}")


def rtp_start(taken: Collection[int]) -> int:
    """The first port of a range that no other instance has.

    Raises:
        OSError: all ranges are taken.
    """
    for start in _RTP_STARTS:
        if start not in taken:
            return start
    raise OSError("no RTP range is free; take some instances down first (`trunkline pbx status`)")
