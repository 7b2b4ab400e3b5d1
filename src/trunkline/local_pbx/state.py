"""What is known of an instance: written when it comes up, read by everything that talks to it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Role = Literal["pbx", "carrier"]

APP = "trunkline"


@dataclass(frozen=True, slots=True)
class InstanceState:
    """One Asterisk that runs, or ran. Holds secrets: the file is 0600, and they are left out of the repr.

    Attributes:
        pid: the process; 0 before it was started.
        started_ticks: the process's start time by /proc, which tells it from a later one with the same id.
        host: the address that SIP, HTTP and AMI are bound to.
        root: "" or the folder that Asterisk sees as `/`.
        folder: the instance's own folder, as Asterisk sees it; `here` is the same for us.
        asterisk: the program, as Asterisk's root sees it.
    """

    name: str
    role: Role
    pid: int
    started_ticks: int
    host: str
    sip_port: int
    http_port: int
    ami_port: int
    rtp_start: int
    rtp_end: int
    ari_username: str
    ari_password: str
    ami_username: str
    ami_secret: str
    root: str
    folder: str
    asterisk: str
    version: str
    user: int = 0
    group: int = 0
    peer: str | None = None

    def __repr__(self) -> str:
        return f"InstanceState(name={self.name!r}, role={self.role!r}, pid={self.pid}, sip={self.host}:{self.sip_port})"

    @property
    def here(self) -> Path:
        """The instance's folder as this process sees it."""
        return Path(self.root + self.folder)

    @property
    def spool_on_pbx(self) -> str:
        """The spool folder as Asterisk sees it."""
        return f"{self.folder}/spool"

    @property
    def spool_here(self) -> Path:
        """The same spool folder as this process sees it."""
        return self.here / "spool"

    @property
    def log_path(self) -> Path:
        """Asterisk's own log."""
        return self.here / "log" / "messages"

    @property
    def ari_url(self) -> str:
        """Address that /ari and /media are below."""
        return f"http://{self.host}:{self.http_port}"

    def to_json(self) -> str:
        """For the state file."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> InstanceState:
        """The reverse of `to_json`.

        Raises:
            ValueError: the text is no state.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"not an instance's state: {error}") from None


def settings_for(state: InstanceState, *, node: str | None = None) -> dict[str, Any]:
    """The `[pbx]` section that connects a service to this instance."""
    return {
        "node": node or state.name[:32],
        "ari_url": state.ari_url,
        "ari_username": state.ari_username,
        "ari_password": state.ari_password,
        "ari_app": APP,
        "ami_host": state.host,
        "ami_port": state.ami_port,
        "ami_username": state.ami_username,
        "ami_password": state.ami_secret,
        "recordings_on_pbx": f"{state.spool_on_pbx}/trunkline",
        "recordings_here": str(state.spool_here / "trunkline"),
    }


def write_config(state: InstanceState, path: Path, **others: str) -> None:
    """A configuration file for `trunkline serve`, readable by its owner alone. `others` replace values of `[pbx]`."""
    # JSON strings and numbers are TOML strings and numbers.
    lines = [f"{key} = {json.dumps(value)}" for key, value in {**settings_for(state), **others}.items()]
    write_private(path, "[pbx]\n" + "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
