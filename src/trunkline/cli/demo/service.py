"""The service as the demo runs it: a process of its own, found again by its state file, ended by its id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from trunkline.cli.exits import CliError

_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 15.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that was started: its process, where it answers, and the key it made on its first start."""

    pid: int
    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"RunningService(pid={self.pid}, base_url={self.base_url!r})"


def start_service(folder: Path, config: Path) -> RunningService:
    """Starts `trunkline serve` on a free port with a new database in `folder`, and waits until it answers.

    Raises:
        CliError: it ended, or did not come up in time; the message holds the last lines of its log.
    """
    state, out, log = folder / "service.json", folder / "service.out", folder / "service.log"
    environment = {
        **os.environ,
        "TRUNKLINE_CONFIG": str(config),
        "TRUNKLINE_HTTP__PORT": "0",
        "TRUNKLINE_DATABASE__URL": f"sqlite:///{folder / 'trunkline.sqlite3'}",
        "TRUNKLINE_RECORDINGS__FOLDER": str(folder / "recordings"),
        "TRUNKLINE_LOGS__FORMAT": "json",
    }
    with out.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "trunkline", "serve", "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C is ours to pass on, and a kept service outlives us
        )
    state.touch(mode=0o600)
    state.write_text(json.dumps({"pid": process.pid, "base_url": "", "api_key": ""}), encoding="utf-8")
    ready = _wait_until_ready(process, out, log)
    service = RunningService(process.pid, ready["base_url"], ready["api_key"])
    state.write_text(json.dumps(asdict(service)), encoding="utf-8")
    return service


def _wait_until_ready(process: subprocess.Popen[bytes], out: Path, log: Path) -> Mapping[str, Any]:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline:
        text = out.read_text(encoding="utf-8")
        if text.endswith("\n"):
            ready: dict[str, Any] = json.loads(text.splitlines()[0])
            return ready
        if process.poll() is not None:
            raise CliError(f"The service ended at once (exit code {process.returncode}). {_tail(log)}")
        time.sleep(_POLL_S)
    raise CliError(f"The service did not come up within {_START_LIMIT_S:.0f} s. {_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:]
    return f"The end of {log}:\n" + "\n".join(lines)


def running_service(folder: Path) -> RunningService | None:
    """The service that a run left up; None where there is none, or where its process id belongs to somebody else now."""
    try:
        service = RunningService(**json.loads((folder / "service.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return service if _is_service(service.pid) else None


def _is_service(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="ascii", errors="replace")
            .rpartition(")")[2]
            .split()[0]
        )
    except (OSError, IndexError):
        return False
    return state != "Z" and b"trunkline" in words and b"serve" in words


def stop_service(folder: Path) -> bool:
    """Ends the service of `folder`: asked to stop at once, killed if it does not. Says whether there was one."""
    service = running_service(folder)
    if service is not None:
        for how in (signal.SIGINT, signal.SIGKILL):
            if _ended(service.pid, how):
                break
    (folder / "service.json").unlink(missing_ok=True)
    return service is not None


def _ended(pid: int, how: signal.Signals) -> bool:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return True
    deadline = time.monotonic() + _STOP_LIMIT_S
    while time.monotonic() < deadline:
        if not _is_service(pid):
            return True
        time.sleep(_POLL_S)
    return False
