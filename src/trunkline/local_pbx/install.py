"""Finds an Asterisk that can carry calls for us, or installs one in a root folder of its own."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trunkline.local_pbx.errors import LocalPbxError, Progress, quiet
from trunkline.local_pbx.packages import APT_TIMEOUT_S, apt_proxy_options, debian_mirror, ensure_packages, run

CACHE = Path("/var/cache/trunkline/asterisk")
OLDEST = (22, 8)
"""chan_websocket as we use it: JSON control messages and marks."""
SUITE = "forky"
PACKAGES = ("asterisk", "asterisk-core-sounds-en-wav", "ca-certificates", "flite", "python3")
NEEDED_BYTES = 1_500_000_000
_NO_RECOMMENDS = 'APT::Install-Recommends "false"'
# The mirror's snapshot may be older than its release file's validity.
_ANY_AGE = 'Acquire::Check-Valid-Until "false"'


@dataclass(frozen=True, slots=True)
class Asterisk:
    """A usable Asterisk.

    Attributes:
        root: "" or the folder that is its `/`.
        program, modules, data: as it sees them.
        version: such as `22.10.1`.
    """

    root: str
    program: str
    modules: str
    data: str
    version: str

    def has(self, path: str) -> bool:
        """Whether that file is in its root."""
        return Path(self.root + path).exists()


def find_asterisk(root: Path = CACHE) -> Asterisk | None:
    """The machine's own Asterisk when it is fit, else the cached one, else None. Changes nothing."""
    return _fit("") or (_fit(str(root)) if _complete(root) else None)


def get_asterisk(progress: Progress = quiet, *, root: Path = CACHE) -> Asterisk:
    """An Asterisk that can carry calls for us, installed first where there is none. Safe to repeat and to run twice at once.

    Raises:
        LocalPbxError: not root, no network, no disk, not a Debian.
    """
    found = find_asterisk(root)
    if found:
        return found
    if os.geteuid() != 0:
        raise LocalPbxError(
            f"No Asterisk {OLDEST[0]}.{OLDEST[1]} or newer is on this machine, and installing one needs root: run this once "
            "with sudo, or install Asterisk yourself."
        )
    with _locked(root):
        found = find_asterisk(root)
        if not found:
            _install(root, progress)
            found = _fit(str(root))
    if not found:
        raise LocalPbxError(
            f"The Asterisk installed in {root} does not run. Remove that folder and try again."
        )
    return found


def as_root(asterisk: Asterisk, *command: str) -> list[str]:
    """The command line that runs a program where this Asterisk lives."""
    return ["chroot", asterisk.root, *command] if asterisk.root else list(command)


def use_names_of_this_machine(root: Path) -> None:
    """Host names are looked up in that root as on this machine."""
    inside = root / "etc/resolv.conf"
    inside.unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", inside)
    # Asterisk looks up the machine's own name for every RTP session; where it has to ask the network, calls wait for seconds.
    shutil.copyfile("/etc/hosts", root / "etc/hosts")


def _complete(root: Path) -> bool:
    wanted = (
        "usr/sbin/asterisk",
        "usr/bin/flite",
        "usr/bin/python3",
        "usr/share/doc/asterisk-core-sounds-en-wav",
    )
    return all((root / path).exists() for path in wanted)


def _fit(root: str) -> Asterisk | None:
    program = next(
        (path for path in ("/usr/sbin/asterisk", "/usr/local/sbin/asterisk") if Path(root + path).is_file()),
        None,
    )
    modules = _first(
        root,
        ("usr/lib/*/asterisk/modules", "usr/lib/asterisk/modules", "usr/lib64/asterisk/modules"),
        "chan_websocket.so",
    )
    data = _first(
        root, ("usr/share/asterisk", "var/lib/asterisk", "usr/local/share/asterisk"), "documentation"
    )
    if not (program and modules and data):
        return None
    version = _version(root, program)
    if version is None or tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return None
    return Asterisk(root, program, modules, data, version)


def _first(root: str, patterns: tuple[str, ...], holds: str) -> str | None:
    base = Path(root or "/")
    folders = (folder for pattern in patterns for folder in sorted(base.glob(pattern)))
    return next((f"/{folder.relative_to(base)}" for folder in folders if (folder / holds).exists()), None)


def _version(root: str, program: str) -> str | None:
    command = ["chroot", root, program, "-V"] if root else [program, "-V"]
    if root and os.geteuid() != 0:
        return None
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"Asterisk (\d+\.\d+(\.\d+)?)", told)
    return match[1] if match else None


def _install(root: Path, progress: Progress) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root.parent).free
    if free < NEEDED_BYTES:
        raise LocalPbxError(
            f"Asterisk needs {NEEDED_BYTES / 1e9:.1f} GB in {root.parent}, only {free / 1e9:.1f} GB are free."
        )
    if (root / "usr/sbin/asterisk").exists():
        _add_missing(root, progress)
        return
    ensure_packages(["mmdebstrap"], progress)
    mirror = debian_mirror()
    fresh = root.with_name(f"{root.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    options = [f"--aptopt={option}" for option in (_NO_RECOMMENDS, _ANY_AGE, *apt_proxy_options())]
    # What is not whole is thrown away, so nothing needs to be flushed to the disk file by file.
    options.append("--dpkgopt=force-unsafe-io")
    progress("Installing Asterisk 22 in a folder of its own (about half a minute)")
    try:
        run(
            [
                "mmdebstrap",
                "--variant=apt",
                f"--include={','.join(PACKAGES)}",
                *options,
                SUITE,
                str(fresh),
                mirror,
            ],
            timeout_s=APT_TIMEOUT_S,
            failing="Asterisk could not be installed; is there a network to the Debian mirror that apt uses?",
        )
        shutil.rmtree(root, ignore_errors=True)
        fresh.replace(root)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _add_missing(root: Path, progress: Progress) -> None:
    progress("Completing the cached Asterisk")
    use_names_of_this_machine(root)
    for arguments in (["update", "-q"], ["install", "-y", "-q", *PACKAGES]):
        run(
            [
                "chroot",
                str(root),
                "apt-get",
                "-o",
                _NO_RECOMMENDS.replace(" ", "="),
                "-o",
                _ANY_AGE.replace(" ", "="),
                *arguments,
            ],
            timeout_s=APT_TIMEOUT_S,
            failing=f"The Asterisk in {root} could not be completed; remove that folder and try again",
        )


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
