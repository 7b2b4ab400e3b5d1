"""Debian packages of this machine, installed by apt when they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from trunkline.local_pbx.errors import LocalPbxError, Progress, quiet

APT_TIMEOUT_S = 600
_UNATTENDED: Mapping[str, str] = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def unattended() -> dict[str, str]:
    """This process's environment, for commands that must not ask questions."""
    return {**os.environ, **_UNATTENDED}


def run(command: Sequence[str], *, timeout_s: float, failing: str) -> str:
    """Runs a command and returns what it printed.

    Raises:
        LocalPbxError: `failing` and the last lines it printed; or that the program is missing, or took too long.
    """
    try:
        done = subprocess.run(
            command,
            env=unattended(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise LocalPbxError(f"{failing}: the program {command[0]} is not on this machine.") from None
    except subprocess.TimeoutExpired:
        raise LocalPbxError(
            f"{failing}: {command[0]} took longer than {timeout_s:.0f} s. Is the network slow or gone?"
        ) from None
    if done.returncode != 0:
        last = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-6:])
        raise LocalPbxError(f"{failing}. {command[0]} said:\n{last}")
    return done.stdout


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those that dpkg does not have installed."""
    if shutil.which("dpkg-query") is None:
        raise LocalPbxError(
            f"This machine is not a Debian; install these by its own means: {' '.join(names)}."
        )
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", *names],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    ).stdout.splitlines()
    installed = {line.split()[0] for line in found if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def ensure_packages(names: Sequence[str], progress: Progress = quiet) -> None:
    """Installs what is missing of these Debian packages; nothing happens when all are there.

    Raises:
        LocalPbxError: not root, no network, or no such package.
    """
    missing = missing_packages(names)
    if not missing:
        return
    if os.geteuid() != 0:
        raise LocalPbxError(
            f"These packages are missing: {' '.join(missing)}. As root: apt-get install {' '.join(missing)}"
        )
    progress(f"Installing {', '.join(missing)}")
    run(
        ["apt-get", "update", "-q"],
        timeout_s=APT_TIMEOUT_S,
        failing="The package lists could not be fetched; is there a network?",
    )
    run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing],
        timeout_s=APT_TIMEOUT_S,
        failing=f"{' '.join(missing)} could not be installed",
    )


def debian_mirror() -> str:
    """The Debian mirror that this machine's own apt uses.

    Raises:
        LocalPbxError: apt names none.
    """
    targets = run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME) $(COMPONENT)",
            "Created-By: Packages",
        ],
        timeout_s=30,
        failing="apt's sources could not be read",
    )
    for line in targets.splitlines():
        uri, _, rest = line.partition(" ")
        if uri.rstrip("/").endswith("/debian") and rest.endswith(" main"):
            return uri
    raise LocalPbxError(
        "apt's sources on this machine name no Debian mirror; add one to /etc/apt/sources.list."
    )


def apt_proxy_options() -> list[str]:
    """The proxies of this machine's apt, in the form that apt takes as options."""
    dump = run(
        ["apt-config", "dump", "Acquire"], timeout_s=30, failing="apt's configuration could not be read"
    )
    wanted = ("Acquire::http::Proxy", "Acquire::https::Proxy")
    return [
        line.rstrip(";") for line in dump.splitlines() if line.startswith(wanted) and not line.endswith('"";')
    ]
