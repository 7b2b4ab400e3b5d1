"""Starting, finding and ending one Asterisk process, and nobody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from trunkline.local_pbx.errors import LocalPbxError

_POLL_S = 0.05


def start(
    command: Sequence[str], *, console: Path, pid_file: Path, config: str, timeout_s: float
) -> tuple[int, int]:
    """Starts Asterisk in a session of its own, so that it outlives us, and returns its pid and start time.

    Raises:
        LocalPbxError: it did not write its pid file in time; the message holds what it printed.
    """
    pid_file.unlink(missing_ok=True)
    with console.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=10,
            check=True,
            umask=0o027,
        )
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        pid = read_pid(pid_file)
        if pid and (ticks := started_ticks(pid, config)):
            return pid, ticks
        time.sleep(_POLL_S)
    printed = "\n".join(console.read_text(errors="replace").splitlines()[-8:])
    raise LocalPbxError(f"Asterisk did not start. It said:\n{printed}")


def started_ticks(pid: int, config: str) -> int | None:
    """When that process started, if it is alive and is the Asterisk of that configuration file; None otherwise.

    A pid alone proves nothing: after a crash it may belong to somebody else.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets and may hold blanks.
    fields = stat.rpartition(")")[2].split()
    if config.encode() not in arguments or fields[0] == "Z":
        return None
    return int(fields[19])


def is_alive(pid: int, ticks: int, config: str) -> bool:
    """Whether this very process still runs."""
    return pid > 0 and started_ticks(pid, config) == ticks


def end(pid: int, ticks: int, config: str, *, grace_s: float = 5.0) -> None:
    """Ends this very process: asked first, killed after `grace_s`. No error when it is gone."""
    for how, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if not is_alive(pid, ticks, config):
            return
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + wait_s
        while is_alive(pid, ticks, config) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    if is_alive(pid, ticks, config):
        raise LocalPbxError(f"The Asterisk with process id {pid} can't be ended.")


def read_pid(path: Path) -> int:
    """The number in a pid file; 0 where there is none."""
    try:
        return int(path.read_text(encoding="ascii").strip() or 0)
    except (OSError, ValueError):
        return 0
