"""Instances of Asterisk on this machine: the PBX, the carrier, or a pair of both.

Each has a name, a folder, ports and secrets of its own, and lives on after the process that brought it up.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from trunkline.local_pbx import lines, process
from trunkline.local_pbx.errors import LocalPbxError, Progress, quiet
from trunkline.local_pbx.install import CACHE, Asterisk, as_root, get_asterisk, use_names_of_this_machine
from trunkline.local_pbx.packages import run
from trunkline.local_pbx.render import render
from trunkline.local_pbx.reserve import Order, reserve
from trunkline.local_pbx.state import InstanceState, write_private

HOME = Path("/var/lib/trunkline/pbx") if os.geteuid() == 0 else Path.home() / ".local/state/trunkline/pbx"
READY_TIMEOUT_S = 30.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_FOLDERS = (
    "run",
    "log/cdr-csv",
    "lib/keys",
    "sounds",
    "spool/trunkline",
    "spool/recordings",
    "spool/digits",
    "spool/voicemail",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A PBX and the carrier behind its trunk."""

    pbx: InstanceState
    carrier: InstanceState


def up(
    order: Order | str,
    *,
    peer: InstanceState | None = None,
    asterisk: Asterisk | None = None,
    root: Path = CACHE,
    home: Path = HOME,
    progress: Progress = quiet,
) -> InstanceState:
    """A running, answering instance; brought up if it is not, with the ports and secrets it had before.

    A name alone orders a PBX with any free ports. `peer` is the PBX that a carrier sends calls to.

    Raises:
        LocalPbxError: no Asterisk, a wanted port is taken, or it does not answer in time.
    """
    order = Order(order) if isinstance(order, str) else order
    asterisk = asterisk or get_asterisk(progress, root=root)
    with _locked(home):
        before = _read(order.name, home)
        if before and is_running(before):
            return before
        state = prepare(order, asterisk, peer=peer, home=home, progress=progress)
        progress(f"Starting {state.name}")
        state = _start(state, home)
    try:
        _wait_until_ready(state, asterisk)
    except LocalPbxError:
        down(state.name, home=home)
        raise
    return state


def prepare(
    order: Order,
    asterisk: Asterisk,
    *,
    peer: InstanceState | None = None,
    home: Path = HOME,
    progress: Progress = quiet,
) -> InstanceState:
    """An instance's ports, secrets, configuration and prompts, all but the process; `command_of` starts it.

    Raises:
        LocalPbxError: a wanted port is taken, or the name can't be one.
    """
    if not _NAME.fullmatch(order.name):
        raise LocalPbxError(
            f"{order.name!r} can't be an instance's name: use lower-case letters, digits, hyphens; 41 at most."
        )
    others = [state for state in instances(home=home) if state.name != order.name]
    before = _read(order.name, home)
    if before:
        _end_leftover(before)
    state = reserve(order, asterisk, home, before=before, others=others)
    _end_leftover(state)
    _lay_out(state, asterisk, peer, home, progress)
    home.mkdir(parents=True, exist_ok=True)
    write_private(home / f"{state.name}.json", state.to_json())
    return state


def up_pair(name: str, *, root: Path = CACHE, home: Path = HOME, progress: Progress = quiet) -> Pair:
    """The PBX `<name>` and its carrier `<name>-carrier`, which takes calls from it and can place calls into it."""
    asterisk = get_asterisk(progress, root=root)
    pbx = up(name, asterisk=asterisk, home=home, progress=progress)
    carrier = up(
        Order(f"{name}-carrier", "carrier", pbx.name),
        peer=pbx,
        asterisk=asterisk,
        home=home,
        progress=progress,
    )
    return Pair(pbx, carrier)


def down(name: str, *, home: Path = HOME) -> None:
    """Ends the instance and keeps its files, ports and secrets for the next `up`. No error when it is not running."""
    state = _read(name, home)
    if state:
        process.end(state.pid, state.started_ticks, _config(state))


def remove(name: str, *, home: Path = HOME) -> None:
    """Ends the instance and deletes all it had, recordings included. No error when there is none."""
    down(name, home=home)
    state = _read(name, home)
    if state:
        shutil.rmtree(state.here, ignore_errors=True)
        (home / f"{name}.json").unlink(missing_ok=True)


def remove_pair(name: str, *, home: Path = HOME) -> None:
    """`remove` for both of `up_pair`."""
    remove(f"{name}-carrier", home=home)
    remove(name, home=home)


def status(name: str, *, home: Path = HOME) -> InstanceState | None:
    """What is known of an instance; None when there is none. `is_running` tells whether it lives."""
    return _read(name, home)


def instances(*, home: Path = HOME) -> list[InstanceState]:
    """Every instance of this machine, by name."""
    found = (_read(path.stem, home) for path in sorted(home.glob("*.json")))
    return [state for state in found if state]


def is_running(state: InstanceState) -> bool:
    """Whether the instance's own process is alive."""
    return process.is_alive(state.pid, state.started_ticks, _config(state))


def command_line(state: InstanceState, command: str, *, timeout_s: float = 10.0) -> str:
    """What Asterisk's own command line answers.

    Raises:
        LocalPbxError: the instance does not answer.
    """
    asterisk = Asterisk(state.root, state.asterisk, "", "", state.version)
    call = as_root(asterisk, state.asterisk, "-C", _config(state), "-rx", command)
    return run(call, timeout_s=timeout_s, failing=f"{state.name} does not answer")


# --- bringing up ------------------------------------------------------------------------------------------------------


def _lay_out(
    state: InstanceState, asterisk: Asterisk, peer: InstanceState | None, home: Path, progress: Progress
) -> None:
    state.here.mkdir(parents=True, exist_ok=True)
    for folder in _FOLDERS:
        (state.here / folder).mkdir(parents=True, exist_ok=True)
    render(state, asterisk, peer)
    if state.role == "carrier":
        cache = home / "lines"
        lines.make_lines(asterisk, cache, progress)
        lines.lay_out(cache, state.here / "sounds")
    else:
        lines.make_hold_music(state.here / "sounds")
    if state.root:
        use_names_of_this_machine(Path(state.root))
    if os.geteuid() == 0:
        for path in (state.here, *state.here.rglob("*")):
            os.chown(path, state.user, state.group, follow_symlinks=False)
    state.here.chmod(0o750)


def command_of(state: InstanceState) -> list[str]:
    """The command line that runs the prepared instance in the foreground, as the user it belongs to."""
    program = [state.asterisk, "-C", _config(state), "-f"]
    if state.root:
        return ["chroot", f"--userspec={state.user}:{state.group}", "--groups=", state.root, *program]
    if os.geteuid() == 0:
        return ["setpriv", f"--reuid={state.user}", f"--regid={state.group}", "--clear-groups", *program]
    return program


def _end_leftover(state: InstanceState) -> None:
    """Ends an Asterisk of this folder that nobody remembers: its starter died before it could write down the process."""
    pid = process.read_pid(_pid_file(state))
    ticks = process.started_ticks(pid, _config(state)) if pid else None
    if ticks:
        process.end(pid, ticks, _config(state))


def _pid_file(state: InstanceState) -> Path:
    return state.here / "run" / "asterisk.pid"


def _start(state: InstanceState, home: Path) -> InstanceState:
    pid, ticks = process.start(
        command_of(state),
        console=state.here / "log" / "console",
        pid_file=_pid_file(state),
        config=_config(state),
        timeout_s=READY_TIMEOUT_S,
    )
    state = replace(state, pid=pid, started_ticks=ticks)
    write_private(home / f"{state.name}.json", state.to_json())
    return state


def _wait_until_ready(state: InstanceState, asterisk: Asterisk) -> None:
    call = as_root(asterisk, state.asterisk, "-C", _config(state), "-rx", "core waitfullybooted")
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if not is_running(state):
            break
        try:
            told = subprocess.run(
                call, capture_output=True, text=True, timeout=READY_TIMEOUT_S, check=False
            ).stdout
        except subprocess.TimeoutExpired:
            break
        if "fully booted" in told and (state.role == "carrier" or _ari_answers(state)):
            return
        time.sleep(0.05)
    told = state.log_path.read_text(errors="replace") if state.log_path.exists() else ""
    last = "\n".join(line for line in told.splitlines() if "ERROR" in line)[-1500:]
    raise LocalPbxError(
        f"{state.name} did not become ready within {READY_TIMEOUT_S:.0f} s. Its log says:\n{last or '(nothing)'}"
    )


def _ari_answers(state: InstanceState) -> bool:
    token = b64encode(f"{state.ari_username}:{state.ari_password}".encode()).decode()
    connection = HTTPConnection(state.host, state.http_port, timeout=2)
    try:
        connection.request("GET", "/ari/asterisk/ping", headers={"Authorization": f"Basic {token}"})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _config(state: InstanceState) -> str:
    return f"{state.folder}/etc/asterisk.conf"


def _read(name: str, home: Path) -> InstanceState | None:
    try:
        return InstanceState.from_json((home / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One `up` at a time, so that no port is promised twice."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
