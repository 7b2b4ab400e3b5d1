"""An instance's configuration folder from `sip_configs/` and `dialplan/`. Templates hold `${NAME}` and nothing cleverer."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from string import Template

from trunkline.local_pbx.errors import LocalPbxError
from trunkline.local_pbx.files import files
from trunkline.local_pbx.install import Asterisk
from trunkline.local_pbx.state import APP, InstanceState

_SHARED = (
    "pjsip",
    "manager",
    "rtp",
    "logger",
    "cdr",
    "instance/asterisk",
    "instance/modules",
    "instance/indications",
)
_PBX = ("ari", "http", "sorcery", "musiconhold", "chan_websocket", "amd", "instance/extensions")
_EMPTY = (
    "acl",
    "ccss",
    "cel",
    "cli",
    "codecs",
    "dsp",
    "features",
    "pjproject",
    "stasis",
    "udptl",
    "websocket_client",
)
_CARRIER = ("carrier/extensions", "carrier/confbridge")
# Added to the end of what both roles have.
_CARRIER_ADDS = ("pjsip", "modules")
# The carrier is no voice platform: it has no HTTP, no ARI and no media websocket.
_NOT_FOR_CARRIER = re.compile(
    r"(res_ari\w*|res_stasis_\w+|app_stasis|chan_websocket|res_http_websocket|res_websocket_client|app_amd|res_musiconhold)\.so"
)
_LOAD = re.compile(r"load = (\S+)")
EXPORTED = (
    "pjsip",
    "manager",
    "rtp",
    "logger",
    "cdr",
    "ari",
    "http",
    "sorcery",
    "musiconhold",
    "chan_websocket",
    "amd",
)
AGI_PACKAGES = ("asterisk", "six")
"""pyst2's package and what it needs; copied beside the AGI script."""


def values(state: InstanceState, asterisk: Asterisk, peer: InstanceState | None) -> dict[str, str]:
    """What the placeholders stand for."""
    return {
        "NAME": state.name,
        "FOLDER": state.folder,
        "MODULES": asterisk.modules,
        "DATA": asterisk.data,
        "APP": APP,
        "SIP_BIND": state.host,
        "SIP_PORT": str(state.sip_port),
        "HTTP_BIND": state.host,
        "HTTP_PORT": str(state.http_port),
        "AMI_BIND": state.host,
        "AMI_PORT": str(state.ami_port),
        "AMI_USERNAME": state.ami_username,
        "AMI_SECRET": state.ami_secret,
        "AMI_READ": "system" if state.role == "pbx" else "system,call,dtmf",
        "AMI_WRITE": "system" if state.role == "pbx" else "system,call,originate,reporting",
        "ARI_USERNAME": state.ari_username,
        "ARI_PASSWORD": state.ari_password,
        "CONTROL_PERMIT": "127.0.0.0/8" if state.host.startswith("127.") else f"{state.host}/32",
        "RTP_START": str(state.rtp_start),
        "RTP_END": str(state.rtp_end),
        "MUSIC": f"{state.folder}/sounds/hold-music",
        "LINES": f"{state.folder}/sounds",
        "PEER_HOST": peer.host if peer else state.host,
        "PEER_PORT": str(peer.sip_port if peer else state.sip_port),
    }


def render(state: InstanceState, asterisk: Asterisk, peer: InstanceState | None = None) -> None:
    """Writes `etc`, the dialplan and the AGI script of an instance, afresh."""
    etc = state.here / "etc"
    shutil.rmtree(etc, ignore_errors=True)
    known = values(state, asterisk, peer)
    for name in (*_SHARED, *(_PBX if state.role == "pbx" else _CARRIER)):
        text = _filled(name, known)
        base = Path(name).name
        if state.role == "carrier" and base in _CARRIER_ADDS:
            text += "\n" + _filled(f"carrier/{base}", known)
        _write(etc / f"{base}.conf", _modules(text, state, asterisk) if base == "modules" else text)
    # Asterisk warns of each of these when it is missing.
    for empty in _EMPTY:
        (etc / f"{empty}.conf").touch()
    shutil.copytree(files("dialplan"), etc / "dialplan")
    if state.role == "pbx":
        install_agi(state.here / "agi")


def export(folder: Path, state: InstanceState) -> None:
    """Writes what an operator includes in an Asterisk of his own: the same files with this state's ports and secrets.

    Raises:
        LocalPbxError: the folder is there already; its secrets may be in use.
    """
    if folder.exists():
        raise LocalPbxError(f"{folder} is there already. Remove it first if Asterisk does not use it.")
    known = values(state, Asterisk("", "", "", "", ""), None)
    for name in EXPORTED:
        _write(folder / f"{name}.conf", _filled(name, known))
    shutil.copytree(
        files("dialplan"), folder / "dialplan", ignore=shutil.ignore_patterns("carrier", "agi", "__pycache__")
    )
    install_agi(folder / "agi")


def _filled(name: str, known: dict[str, str]) -> str:
    return fill((files("sip_configs") / f"{name}.conf").read_text(encoding="utf-8"), known, name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)


def fill(template: str, known: dict[str, str], name: str) -> str:
    """A template with its placeholders filled in.

    Raises:
        LocalPbxError: it has a placeholder that nobody knows.
    """
    try:
        return Template(template).substitute(known)
    except (KeyError, ValueError) as error:
        raise LocalPbxError(
            f"sip_configs/{name}.conf has a placeholder that can't be filled: {error}"
        ) from None


def install_agi(folder: Path) -> None:
    """The fallback script with pyst2 beside it, so that it runs with any Python of the PBX."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(files("dialplan") / "agi", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "fallback.py").chmod(0o755)
    for name in AGI_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise LocalPbxError(
                f"The Python package {name} is missing; install trunkline with its dependencies."
            )
        source = Path(spec.origin)
        if source.name == "__init__.py":
            shutil.copytree(source.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / source.name)


def _modules(text: str, state: InstanceState, asterisk: Asterisk) -> str:
    """The modules that this Asterisk has and this role needs."""

    def wanted(line: str) -> bool:
        match = _LOAD.fullmatch(line)
        if not match:
            return True
        needless = state.role == "carrier" and _NOT_FOR_CARRIER.fullmatch(match[1])
        return not needless and asterisk.has(f"{asterisk.modules}/{match[1]}")

    return "\n".join(line for line in text.splitlines() if wanted(line)) + "\n"
