"""The audio path, tried for real: a media leg, frames, marks, a flush, and a recording seen from both sides.

The leg is in no bridge and dials nobody, so nothing is heard anywhere.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from trunkline.audio.formats import ULAW_8K
from trunkline.cli.doctor.ari import AriProbe, AriRefusedError
from trunkline.cli.doctor.finding import Finding, ok, problem, warning, why
from trunkline.cli.doctor.manager import AmiProbe, AmiRefusedError
from trunkline.settings import PbxSection

_WAIT_S: Final = 5.0
_FRAMES: Final = 10
_LATE_MS: Final = 60.0
_SILENCE: Final = b"\xff"  # mu-law zero


@dataclass(frozen=True, slots=True)
class MediaLeg:
    """An open media leg: its id, its channel's name, its socket."""

    id: str
    channel: str
    socket: aiohttp.ClientWebSocketResponse


async def audio_path(ari: AriProbe) -> Finding:
    """Frames go in, the mark after them comes back in time, a flush is confirmed: chan_websocket with JSON messages and marks."""
    advice = "Load chan_websocket (Asterisk 22.8 or newer) and open http.conf's /media to this machine; see sip_configs/README.md."
    try:
        async with asyncio.timeout(_WAIT_S * 3), _media_leg(ari) as leg:
            took_ms = await _play(leg, "doctor-mark")
            await _send(leg, "REPORT_QUEUE_DRAINED")
            await _send(leg, "FLUSH_MEDIA")
            await _wait_for(leg, "QUEUE_DRAINED")
    except (AriRefusedError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        return problem("audio path", why(error), advice)
    late_ms = took_ms - _FRAMES * 20
    if late_ms > _LATE_MS:
        return warning(
            "audio path",
            f"a mark came {late_ms:.0f} ms late",
            "The machine is busy, or Asterisk's time source is not timerfd.",
        )
    return ok("audio path", f"websocket media, JSON messages, marks ({late_ms:+.0f} ms) and flush")


async def recording_folder(ari: AriProbe, settings: PbxSection) -> Finding:
    """Asterisk records into its folder, and we read and remove the file in ours."""
    name = f"doctor-{secrets.token_hex(6)}.wav"
    here = settings.recordings_here / name
    views = f"{settings.recordings_on_pbx} there, {settings.recordings_here} here"
    advice = "Make the folder writable for Asterisk and readable for this user; set pbx.recordings_on_pbx and pbx.recordings_here to the two names of the same folder."
    try:
        async with asyncio.timeout(_WAIT_S * 3), _media_leg(ari) as leg, _manager(settings) as ami:
            await ami.ask(
                "MixMonitor", {"Channel": leg.channel, "File": f"{settings.recordings_on_pbx}/{name}"}
            )
            await _play(leg, "doctor-rec")
            await ami.ask("StopMixMonitor", {"Channel": leg.channel})
            size = await _size_of(here)
    except (AriRefusedError, AmiRefusedError, aiohttp.ClientError, OSError) as error:
        return problem("PBX recordings", f"{views}: {why(error)}", advice)
    try:
        await asyncio.to_thread(here.unlink)
    except OSError as error:
        return warning(
            "PBX recordings",
            f"{views}: files can't be removed here ({error.strerror})",
            "Give this user write access, or recordings stay on the PBX for good.",
        )
    return ok("PBX recordings", f"{views}, {size} bytes written and read")


def _manager(settings: PbxSection) -> AmiProbe:
    return AmiProbe(
        settings.ami_host, settings.ami_port, settings.ami_username, settings.ami_password.get_secret_value()
    )


async def _size_of(path: Path) -> int:
    """The size of a finished recording; waits for it for a moment, as Asterisk closes it by itself."""
    for _ in range(20):
        size = await asyncio.to_thread(_readable_size, path)
        if size:
            return size
        await asyncio.sleep(0.1)
    raise FileNotFoundError(errno.ENOENT, "Asterisk's file does not appear here", str(path))


def _readable_size(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return file.seek(0, os.SEEK_END)
    except FileNotFoundError:
        return 0


@asynccontextmanager
async def _media_leg(ari: AriProbe) -> AsyncIterator[MediaLeg]:
    app = f"trunkline-doctor-{secrets.token_hex(4)}"
    leg_id = f"tl-doctor-{secrets.token_hex(6)}"
    async with ari.events(app):
        created = await ari.post(
            "/channels/externalMedia",
            app=app,
            channelId=leg_id,
            format=ULAW_8K.asterisk_name,
            transport="websocket",
            encapsulation="none",
            connection_type="server",
            transport_data="f(json)",
        )
        try:
            async with ari.media(created["channelvars"]["MEDIA_WEBSOCKET_CONNECTION_ID"]) as socket:
                leg = MediaLeg(leg_id, created["name"], socket)
                await _wait_for(leg, "MEDIA_START")
                yield leg
        finally:
            await ari.delete(f"/channels/{leg_id}")


async def _play(leg: MediaLeg, mark: str) -> float:
    """Plays silence and returns after how many milliseconds its mark came."""
    started = time.monotonic()
    await leg.socket.send_bytes(_SILENCE * ULAW_8K.frame_bytes * _FRAMES)
    await _send(leg, "MARK_MEDIA", correlation_id=mark)
    await _wait_for(leg, "MEDIA_MARK_PROCESSED")
    return (time.monotonic() - started) * 1000


async def _send(leg: MediaLeg, command: str, **fields: str) -> None:
    await leg.socket.send_str(json.dumps({"command": command, **fields}, separators=(",", ":")))


async def _wait_for(leg: MediaLeg, event: str) -> Mapping[str, Any]:
    async with asyncio.timeout(_WAIT_S):
        async for message in leg.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                told: Mapping[str, Any] = json.loads(message.data)
                if told.get("event") == event:
                    return told
    raise ValueError(f"the media socket closed before {event}")
