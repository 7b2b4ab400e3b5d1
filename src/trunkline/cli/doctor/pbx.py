"""Checks of the PBX by what it says of itself: reach, version, modules, codecs, room for connections, trunks."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from trunkline.cli.doctor.ari import AriProbe, AriRefusedError
from trunkline.cli.doctor.finding import Finding, ok, problem, warning, why
from trunkline.cli.doctor.manager import AmiProbe, AmiRefusedError
from trunkline.settings import PbxSection

LEAST_VERSION: Final = (22, 8)
"""The first release whose chan_websocket has marks and JSON control messages."""

_NEEDED: Final = {
    "chan_websocket": "the conversation's audio",
    "chan_pjsip": "SIP",
    "res_ari_channels": "call control",
    "res_ari_bridges": "joining legs",
    "res_stasis": "call control",
    "app_mixmonitor": "recording after a transfer",
    "res_sorcery_memory": "trunks pushed at run time",
    "bridge_simple": "joining two legs",
    "bridge_softmix": "joining three legs",
    "res_timing_timerfd": "the time source that paces audio",
}
_CODECS: Final = {
    "codec_ulaw": "problem",
    "codec_alaw": "warning",
    "codec_g722": "warning",
    "codec_resample": "warning",
}
_SESSIONS_WANTED: Final = 110
_CLOCKS_APART_S: Final = 3.0


async def reach(ari: AriProbe, settings: PbxSection) -> tuple[Finding, Mapping[str, Any] | None]:
    """ARI answers and takes our password; its own description of the system comes along."""
    try:
        info = await ari.get("/asterisk/info")
    except AriRefusedError as error:
        return _ari_refused(error, settings), None
    except (aiohttp.ClientError, TimeoutError) as error:
        advice = "Start the PBX (`trunkline pbx up` makes one), or set pbx.ari_url to http.conf's address."
        return problem("ARI", f"{settings.ari_url}: {why(error)}", advice), None
    return ok("ARI", settings.ari_url), info


def _ari_refused(error: AriRefusedError, settings: PbxSection) -> Finding:
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return problem(
            "ARI",
            f"{settings.ari_url} refuses {settings.ari_username!r}",
            "Give ari.conf's user and password as pbx.ari_username and pbx.ari_password.",
        )
    if error.status == HTTPStatus.NOT_FOUND:
        return problem(
            "ARI",
            f"{settings.ari_url} has no /ari",
            "Set enabled=yes in ari.conf and load res_ari; see sip_configs/README.md.",
        )
    return problem("ARI", f"{settings.ari_url}: {error}", "See Asterisk's log.")


def version(info: Mapping[str, Any]) -> Finding:
    """The release carries what the audio path needs."""
    text = str(info.get("system", {}).get("version", ""))
    wanted = ".".join(str(part) for part in LEAST_VERSION)
    numbers = re.match(r"(?:certified[/-])?(\d+)\.(\d+)", text)
    if numbers is None:
        return warning("version", text or "not told", f"Use Asterisk {wanted} or newer.")
    found = (int(numbers[1]), int(numbers[2]))
    if found < LEAST_VERSION:
        return problem("version", text, f"Use Asterisk {wanted} or newer; `trunkline pbx up` fetches one.")
    return ok("version", text)


async def modules(ari: AriProbe) -> AsyncIterator[Finding]:
    """What must be loaded is loaded, and each codec that a trunk may ask for."""
    loaded = {
        str(module["name"]).removesuffix(".so")
        for module in await ari.get("/asterisk/modules")
        if module.get("status") == "Running"
    }
    missing = [f"{name} ({use})" for name, use in _NEEDED.items() if name not in loaded]
    if missing:
        yield problem(
            "modules",
            f"not running: {', '.join(missing)}",
            "Load them in modules.conf, then restart Asterisk.",
        )
    else:
        yield ok("modules", f"all {len(_NEEDED)} that are needed run")
    yield codecs(loaded)


def codecs(loaded: set[str]) -> Finding:
    """G.711 mu-law must be there; the others are asked for by some carriers and phones."""
    missing = [name for name in _CODECS if name not in loaded]
    if not missing:
        return ok("codecs", ", ".join(name.removeprefix("codec_") for name in _CODECS))
    verdict = problem if any(_CODECS[name] == "problem" for name in missing) else warning
    return verdict("codecs", f"not running: {', '.join(missing)}", "Load them in modules.conf.")


async def manager(settings: PbxSection) -> Finding:
    """AMI lets us in, and lets us record."""
    where = f"{settings.ami_host}:{settings.ami_port}"
    password = settings.ami_password.get_secret_value()
    try:
        async with AmiProbe(settings.ami_host, settings.ami_port, settings.ami_username, password) as ami:
            rights = await ami.ask("ListCommands")
            banner = ami.banner
    except AmiRefusedError as error:
        return problem(
            "AMI",
            f"{where}: {error}",
            "Give manager.conf's user and secret as pbx.ami_username and pbx.ami_password.",
        )
    except OSError as error:
        advice = "Set enabled=yes, port and bindaddr in manager.conf, or pbx.ami_host and pbx.ami_port here."
        return problem("AMI", f"{where}: {why(error)}", advice)
    missing = [
        action
        for action in ("MixMonitor", "StopMixMonitor", "PJSIPShowRegistrationsOutbound")
        if action not in rights
    ]
    if missing:
        return problem(
            "AMI",
            f"{where}, the user may not {', '.join(missing)}",
            "Give it write = system,call,reporting in manager.conf; see sip_configs/manager.conf.",
        )
    return ok("AMI", f"{where}, {banner}")


async def sessions(ari: AriProbe) -> Finding:
    """http.conf's sessionlimit holds more than the default 100; looked at only while the PBX has no calls."""
    if await ari.get("/channels"):
        return ok("HTTP sessions", "not looked at while there are calls")
    address = urlsplit(ari.url)
    if address.scheme == "https":
        return ok("HTTP sessions", "not looked at through TLS")
    refused = await _refused(address.hostname or "127.0.0.1", address.port or 80, _SESSIONS_WANTED)
    if refused:
        return warning(
            "HTTP sessions",
            f"{_SESSIONS_WANTED - refused} at once, then refused",
            "Set sessionlimit=1000 in http.conf: each call opens one for a moment.",
        )
    return ok("HTTP sessions", f"{_SESSIONS_WANTED} at once are taken")


async def _refused(host: str, port: int, count: int) -> int:
    """Opens so many idle connections and counts those which the server closes at once."""
    pairs = await asyncio.gather(
        *(asyncio.wait_for(asyncio.open_connection(host, port), 3) for _ in range(count)),
        return_exceptions=True,
    )
    opened = [pair for pair in pairs if not isinstance(pair, BaseException)]
    await asyncio.sleep(0.5)
    closed = sum(reader.at_eof() for reader, _writer in opened)
    for _reader, writer in opened:
        writer.close()
    return closed + len(pairs) - len(opened)


def clocks(ari: AriProbe) -> Finding:
    """The PBX's clock and ours agree, or its records and ours tell different times."""
    if ari.date is None:
        return warning("PBX clock", "not told", "Compare the two machines' clocks by hand.")
    apart = ari.date - time.time()
    if abs(apart) > _CLOCKS_APART_S:
        return warning(
            "PBX clock",
            f"{apart:+.0f} s against ours",
            "Synchronise both machines (chrony, systemd-timesyncd).",
        )
    return ok("PBX clock", "agrees with ours")


async def trunks(ari: AriProbe) -> list[Finding]:
    """Every SIP endpoint that the PBX has, and whether it is reachable."""
    try:
        endpoints: Sequence[Mapping[str, Any]] = await ari.get("/endpoints/PJSIP")
    except AriRefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        endpoints = ()  # how Asterisk says that it has none
    if not endpoints:
        return [
            warning(
                "trunks",
                "none yet",
                "Create one: POST /sip-trunks with your carrier's address; then a number on it.",
            )
        ]
    return list(_each_trunk(endpoints))


def _each_trunk(endpoints: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for endpoint in endpoints:
        name, state = f"trunk {endpoint.get('resource')}", str(endpoint.get("state"))
        match state:
            case "online":
                yield ok(name, "answers OPTIONS")
            case "offline":
                yield problem(
                    name,
                    "does not answer OPTIONS",
                    "Check address, transport, credentials and the firewall; `pjsip set logger on` shows the packets.",
                )
            case _:
                yield warning(
                    name, f"state {state}", "Set qualify_frequency on its AOR, so that the PBX asks."
                )
