"""What an instance will be, before it starts: ports, secrets, the user it runs as."""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from trunkline.local_pbx import ports
from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.install import Asterisk
from trunkline.local_pbx.packages import run
from trunkline.local_pbx.state import InstanceState, Role

USER = "trunkline-pbx"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. A port of None is any free one; `host` is bound by SIP, HTTP and AMI alike."""

    name: str
    role: Role = "pbx"
    peer: str | None = None
    host: str = "127.0.0.1"
    sip_port: int | None = None
    http_port: int | None = None
    ami_port: int | None = None
    rtp_start: int | None = None


def reserve(
    order: Order,
    asterisk: Asterisk,
    home: Path,
    *,
    before: InstanceState | None,
    others: Iterable[InstanceState],
) -> InstanceState:
    """The instance with its ports and secrets, those it had `before` where they are still free.

    Raises:
        LocalPbxError: a wanted port is taken, or none is left.
    """
    known = list(others)
    taken = {port for state in known for port in (state.sip_port, state.http_port, state.ami_port)}
    state = before or _fresh(order, home, {state.rtp_start for state in known})
    rtp_start = order.rtp_start or state.rtp_start
    user, group = _account()
    return replace(
        state,
        role=order.role,
        host=order.host,
        sip_port=_Port("SIP", order.host, ports.SIP_PORTS).choose(order.sip_port, state.sip_port, taken),
        http_port=_Port("HTTP", order.host, ports.HTTP_PORTS).choose(order.http_port, state.http_port, taken),
        ami_port=_Port("AMI", order.host, ports.AMI_PORTS).choose(order.ami_port, state.ami_port, taken),
        rtp_start=rtp_start,
        rtp_end=rtp_start + ports.RTP_PORTS_EACH - 1,
        root=asterisk.root,
        asterisk=asterisk.program,
        version=asterisk.version,
        user=user,
        group=group,
        peer=order.peer,
    )


def _fresh(order: Order, home: Path, rtp_taken: set[int]) -> InstanceState:
    try:
        rtp_start = ports.rtp_start(rtp_taken)
    except OSError as error:
        raise LocalPbxError(f"No RTP ports: {error}") from None
    return InstanceState(
        name=order.name,
        role=order.role,
        pid=0,
        started_ticks=0,
        host=order.host,
        sip_port=0,
        http_port=0,
        ami_port=0,
        rtp_start=rtp_start,
        rtp_end=0,
        ari_username="trunkline",
        ari_password=secrets.token_urlsafe(24),
        ami_username="trunkline",
        ami_secret=secrets.token_urlsafe(24),
        root="",
        folder=f"{home}/{order.name}",
        asterisk="",
        version="",
    )


def for_an_asterisk_of_your_own(folder: Path, host: str) -> InstanceState:
    """The usual ports and fresh secrets, for files that are included in an Asterisk that we do not run."""
    fresh = _fresh(Order("pbx-1", host=host), folder.parent, set())
    return replace(
        fresh,
        folder=str(folder),
        sip_port=5060,
        http_port=8088,
        ami_port=5038,
        rtp_start=10000,
        rtp_end=20000,
    )


@dataclass(frozen=True, slots=True)
class _Port:
    what: str
    host: str
    candidates: range

    def choose(self, wanted: int | None, before: int, taken: set[int]) -> int:
        """The wanted port or an error; else the one of last time; else any."""
        udp = self.what == "SIP"
        if wanted:
            if not ports.is_free(self.host, wanted, udp=udp):
                raise LocalPbxError(
                    f"Port {wanted} for {self.what} is in use on {self.host}; end what listens there or choose another one."
                )
            return wanted
        if before and before not in taken and ports.is_free(self.host, before, udp=udp):
            return before
        try:
            return ports.free_port(self.host, self.candidates, taken, udp=udp)
        except OSError as error:
            raise LocalPbxError(f"No port for {self.what}: {error}") from None


def _account() -> tuple[int, int]:
    """The user that Asterisk runs as: one of its own when we are root, otherwise ourselves."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        run(
            [
                "useradd",
                "--system",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                USER,
            ],
            timeout_s=30,
            failing=f"The user {USER}, whom Asterisk runs as, could not be made",
        )
        entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid
