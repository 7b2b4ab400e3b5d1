"""Checks of this machine: Python, the configuration, the port, the folders, the database, the clock."""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import aiohttp

from trunkline.cli.doctor.finding import Finding, ok, problem, warning
from trunkline.settings import Settings, config_file

_OLDEST: Final = (3, 11)
_NEWEST: Final = (3, 13)
_LEAST_FREE_BYTES: Final = 1_000_000_000
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES: Final = 256  # struct timex has 208 bytes on 64-bit Linux; more room does no harm


def python() -> Finding:
    """The interpreter is one that the service is tested on."""
    here = platform.python_version()
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return ok("Python", here)
    return problem("Python", here, "Use Python 3.11, 3.12 or 3.13.")


def configuration(settings: Settings) -> Finding:
    """Which file is in force, and that no password is left empty."""
    where = str(config_file() or "defaults and environment")
    empty = [
        name
        for name in ("ari_password", "ami_password")
        if not getattr(settings.pbx, name).get_secret_value()
    ]
    if empty:
        names = " and ".join(f"pbx.{name}" for name in empty)
        return problem(
            "configuration",
            f"{where}; {names} not set",
            f"Set {names} to what ari.conf and manager.conf hold; `trunkline settings` explains each key.",
        )
    return ok("configuration", where)


async def api_port(settings: Settings) -> Finding:
    """The port of the API is free, or is ours already."""
    host, port = settings.http.host, settings.http.port
    if port == 0:
        return ok("API port", "any free one")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if await _is_ours(host, port):
                return ok("API port", f"{host}:{port}, the service is running")
            return problem(
                "API port",
                f"{host}:{port}: {error.strerror}",
                "Stop what listens there, or set http.port to another one (0 picks a free one).",
            )
    return ok("API port", f"{host}:{port} is free")


async def _is_ours(host: str, port: int) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
            session.get(f"http://{host}:{port}/health") as answer,
        ):
            body = await answer.json(content_type=None)
            return isinstance(body, dict) and "checks" in body
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False


def folders(settings: Settings) -> Iterator[Finding]:
    """Finished recordings can be written, and there is room for them."""
    folder = settings.recordings.folder
    refusal = _unwritable(folder)
    if refusal:
        yield problem(
            "recordings folder",
            f"{folder}: {refusal}",
            "Make it writable for the user that runs the service, or set recordings.folder.",
        )
        return
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _LEAST_FREE_BYTES:
        yield warning(
            "recordings folder", found, "Make room: an hour of stereo recording takes about 115 MB."
        )
    else:
        yield ok("recordings folder", found)


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there; None when it can. A folder that is not there yet may be made by the service."""
    existing = _existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            return None
    except OSError as error:
        return f"{existing}: {error.strerror}"


async def database(settings: Settings) -> Finding:
    """The database opens, its schema is current, it answers."""
    from trunkline.store.store import Store  # noqa: PLC0415 - SQLAlchemy takes longer to import than most commands to run

    try:
        async with asyncio.timeout(15):
            store = await Store.open(settings.database.url)
            try:
                ms = await store.ping()
            finally:
                await store.close()
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the finding tells it
        return problem(
            "database", f"{type(error).__name__}: {error}", "Check database.url and the folder's permissions."
        )
    return ok("database", f"{settings.database.url.partition('://')[0]}, {ms:.1f} ms")


def clock() -> Finding:
    """The kernel says whether something keeps this clock right; records and webhook signatures need it."""
    state = _clock_state()
    if state is None:
        return warning(
            "clock",
            "this system does not tell",
            "Make sure that something keeps the clock right (chrony, systemd-timesyncd).",
        )
    if state == _TIME_ERROR:
        return warning(
            "clock",
            "not synchronised",
            "Start chrony or systemd-timesyncd; records and webhook signatures carry this clock's time.",
        )
    return ok("clock", "synchronised")


def _clock_state() -> int | None:
    if os.name != "posix" or not hasattr(ctypes.CDLL(None), "adjtimex"):
        return None
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
